/* SPDX-License-Identifier: Apache-2.0 */
/* Unreliable messages: a bounded queue each way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn_impl.h"

/* Type, length, a PING behind it, and what the packet adds around. */
#define MESSAGE_OVERHEAD (RMDT_CTRL_HEADER_BYTES + RMDT_TAG_BYTES + 1 + 4 + 1)

int rmdt_messages_push(struct message_queue **qp, const void *data, size_t len)
{
	struct message_queue *q = *qp;
	struct message *m;

	if (!q) {
		q = *qp = calloc(1, sizeof(*q));
		if (!q)
			return -ENOMEM;
	}
	if (q->count == RMDT_CONN_MESSAGE_QUEUE || len > RMDT_CONN_MESSAGE_BYTES - q->bytes)
		return -ENOBUFS;
	m = &q->at[(q->first + q->count) % RMDT_CONN_MESSAGE_QUEUE];
	m->data = malloc(len ? len : 1);
	if (!m->data)
		return -ENOMEM;
	memcpy(m->data, data, len);
	m->len = (uint16_t)len;
	q->bytes += len;
	q->count++;
	return 0;
}

const struct message *rmdt_messages_front(const struct message_queue *q)
{
	return q && q->count > 0 ? &q->at[q->first] : NULL;
}

void rmdt_messages_pop(struct message_queue *q)
{
	q->bytes -= q->at[q->first].len;
	free(q->at[q->first].data);
	q->first = (q->first + 1) % RMDT_CONN_MESSAGE_QUEUE;
	q->count--;
}

void rmdt_messages_free(struct message_queue *q)
{
	while (rmdt_messages_front(q))
		rmdt_messages_pop(q);
	free(q);
}

size_t rmdt_conn_message_max(const struct rmdt_conn *c)
{
	return c->state == CONN_UP ? rmdt_pmtu_current(&c->pmtu) - MESSAGE_OVERHEAD : 0;
}

int rmdt_conn_message_send(struct rmdt_conn *c, const void *data, size_t len)
{
	int err;

	if (c->state != CONN_UP)
		return -ENOTCONN;
	err = len > rmdt_conn_message_max(c) ? -EMSGSIZE : rmdt_messages_push(&c->tx_messages, data, len);
	if (err == -ENOBUFS)
		return -EAGAIN;		/* what holds the queue up has its own deadline: no reason to look again now */
	c->pending = c->wants_mtu = true;	/* also for one that is too large: the next may fit */
	return err;
}

int rmdt_conn_message_take(struct rmdt_conn *c, void *buf, size_t size)
{
	const struct message *m = rmdt_messages_front(c->rx_messages);
	int len;

	if (!m)
		return -EAGAIN;
	if (m->len > size)
		return -EMSGSIZE;
	len = m->len;
	memcpy(buf, m->data, m->len);
	rmdt_messages_pop(c->rx_messages);
	return len;
}
