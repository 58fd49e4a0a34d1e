/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/emu_wan.h"

#include <stdlib.h>
#include <string.h>

struct packet {
	struct packet *next; /* in the free list */
	struct emu_link *link;
	struct emu_csum csum;
	int to;
	size_t bytes;
	uint8_t data[];
};

/* Due times stand in the heap itself, so that sifting does not touch the packets. */
struct entry {
	uint64_t due_ns, order;
	struct packet *packet;
};

struct emu_wan {
	int hosts;
	size_t room; /* data bytes of a packet */
	emu_deliver_fn *deliver;
	void *deliver_arg;
	struct emu_link *links; /* [from - 1][to - 1] */
	struct emu_queue *uplinks;
	struct entry *heap;
	size_t heap_count, heap_room;
	uint64_t order;
	struct packet *free_list;
	uint64_t pool_bytes;
	struct emu_overload overload;
	uint64_t late_limit_us, strays;
};

/* ---- packets and the heap ---- */

static struct packet *packet_get(struct emu_wan *wan)
{
	struct packet *p = wan->free_list;
	size_t size = sizeof(*p) + wan->room;

	if (p) {
		wan->free_list = p->next;
		return p;
	}
	if (wan->pool_bytes + size <= EMU_POOL_BYTES_MAX && (p = malloc(size)) != NULL)
		wan->pool_bytes += size;
	else
		wan->overload.no_memory++;
	return p;
}

static void packet_put(struct emu_wan *wan, struct packet *p)
{
	p->next = wan->free_list;
	wan->free_list = p;
}

static bool before(const struct entry *a, const struct entry *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static bool heap_push(struct emu_wan *wan, struct entry entry)
{
	if (wan->heap_count == wan->heap_room) {
		size_t room = wan->heap_room ? wan->heap_room * 2 : 1024;
		struct entry *heap = realloc(wan->heap, room * sizeof(*heap));

		if (!heap)
			return false;
		wan->heap = heap;
		wan->heap_room = room;
	}
	size_t i = wan->heap_count++;

	for (; i > 0 && before(&entry, &wan->heap[(i - 1) / 2]); i = (i - 1) / 2)
		wan->heap[i] = wan->heap[(i - 1) / 2];
	wan->heap[i] = entry;
	return true;
}

static struct entry heap_pop(struct emu_wan *wan)
{
	struct entry top = wan->heap[0], last = wan->heap[--wan->heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < wan->heap_count) {
		if (child + 1 < wan->heap_count && before(&wan->heap[child + 1], &wan->heap[child]))
			child++;
		if (!before(&wan->heap[child], &last))
			break;
		wan->heap[i] = wan->heap[child];
		i = child;
	}
	wan->heap[i] = last;
	return top;
}

/* ---- life ---- */

struct emu_wan *emu_wan_new(int hosts, unsigned mtu, uint64_t seed, emu_deliver_fn *deliver,
                            void *arg)
{
	struct emu_wan *wan = calloc(1, sizeof(*wan));
	size_t links = (size_t)hosts * (size_t)hosts;

	if (!wan)
		return NULL;
	wan->hosts = hosts;
	wan->room = mtu;
	wan->deliver = deliver;
	wan->deliver_arg = arg;
	wan->late_limit_us = UINT64_MAX;
	wan->links = calloc(links, sizeof(*wan->links));
	wan->uplinks = calloc((size_t)hosts, sizeof(*wan->uplinks));
	if (!wan->links || !wan->uplinks) {
		emu_wan_free(wan);
		return NULL;
	}
	for (size_t i = 0; i < links; i++)
		emu_link_init(&wan->links[i], NULL, emu_random(&seed));
	return wan;
}

void emu_wan_free(struct emu_wan *wan)
{
	if (!wan)
		return;
	while (wan->heap_count)
		free(wan->heap[--wan->heap_count].packet);
	while (wan->free_list) {
		struct packet *p = wan->free_list;

		wan->free_list = p->next;
		free(p);
	}
	free(wan->heap);
	free(wan->links);
	free(wan->uplinks);
	free(wan);
}

void emu_wan_late_limit(struct emu_wan *wan, uint64_t limit_us)
{
	wan->late_limit_us = limit_us;
}

struct emu_link *emu_wan_link(struct emu_wan *wan, int from, int to)
{
	return &wan->links[(size_t)(from - 1) * (size_t)wan->hosts + (size_t)(to - 1)];
}

struct emu_queue *emu_wan_uplink(struct emu_wan *wan, int from)
{
	return &wan->uplinks[from - 1];
}

/* ---- in ---- */

/* Takes ownership of the packet. */
static void launch(struct emu_wan *wan, struct packet *p, uint64_t due_ns)
{
	if (heap_push(wan, (struct entry) { due_ns, wan->order++, p }))
		return;
	wan->overload.no_memory++;
	packet_put(wan, p);
}

/* Takes ownership of the packet. */
static void offer(struct emu_wan *wan, int from, struct packet *p, const struct emu_ip *ip,
                  uint64_t now_ns)
{
	struct emu_link *link = emu_wan_link(wan, from, ip->to);
	struct emu_verdict verdict;
	struct packet *copy;
	unsigned ecn = ip->ecn;

	emu_link_offer(link, emu_wan_uplink(wan, from), now_ns, (uint32_t)p->bytes, &verdict);
	if (verdict.fate != EMU_PASS || !emu_link_ecn(link, &verdict, &ecn)) {
		packet_put(wan, p);
		return;
	}
	p->link = link;
	p->to = ip->to;
	if (ecn != ip->ecn)
		emu_ip_set_ecn(p->data, ip, ecn);
	if (verdict.corrupt && emu_ip_corrupt(p->data, p->bytes, &p->csum, link->params.corrupt_fix,
	                                      verdict.corrupt_seed))
		link->count.corrupted++;
	if (verdict.twice && (copy = packet_get(wan)) != NULL) {
		memcpy(copy, p, sizeof(*p) + p->bytes);
		launch(wan, copy, verdict.due_ns);
	}
	launch(wan, p, verdict.due_ns);
}

static void input_one(struct emu_wan *wan, int from, const struct emu_super *super, uint64_t now_ns)
{
	struct emu_ip ip;
	struct packet *p;

	if (super->bytes > wan->room || emu_ip_parse(super->pkt, super->bytes, &ip) || ip.to < 0 ||
	    ip.to > wan->hosts) {
		wan->strays++;
		return;
	}
	if ((p = packet_get(wan)) == NULL)
		return;
	memcpy(p->data, super->pkt, super->bytes);
	p->bytes = super->bytes;
	p->csum = super->csum;
	offer(wan, from, p, &ip, now_ns);
}

void emu_wan_input(struct emu_wan *wan, int from, struct emu_super *super, uint64_t now_ns)
{
	struct emu_split split;
	struct packet *p;
	int n;

	if (super->gso_bytes == 0) {
		input_one(wan, from, super, now_ns);
		return;
	}
	if (emu_split_init(&split, super->pkt, super->bytes, super->gso_bytes) || split.ip.to < 0 ||
	    split.ip.to > wan->hosts) {
		wan->strays++;
		return;
	}
	while ((p = packet_get(wan)) != NULL) {
		n = emu_split_next(&split, p->data, wan->room, &p->csum);
		if (n <= 0) {
			wan->strays += n < 0;
			packet_put(wan, p);
			return;
		}
		p->bytes = (size_t)n;
		offer(wan, from, p, &split.ip, now_ns);
	}
}

/* ---- out ---- */

static void check_late(struct emu_wan *wan, uint64_t due_ns, uint64_t now_ns)
{
	uint64_t late_us = (now_ns - due_ns) / EMU_NS_PER_US;

	if (late_us > wan->late_limit_us)
		wan->overload.late++;
	if (late_us > wan->overload.late_max_us)
		wan->overload.late_max_us = late_us;
}

/* One delivery per host and batch: the order between hosts does not matter, within one it stays. */
static void deliver_batch(struct emu_wan *wan, struct packet **packets, size_t count)
{
	struct emu_out out[EMU_BATCH];
	size_t done = 0;

	for (int to = 1; to <= wan->hosts && done < count; to++) {
		size_t n = 0;

		for (size_t i = 0; i < count; i++) {
			struct packet *p = packets[i];

			if (p->to == to)
				out[n++] = (struct emu_out) { p->data, p->bytes, p->csum };
		}
		if (n)
			wan->deliver(wan->deliver_arg, to, out, n);
		done += n;
	}
	for (size_t i = 0; i < count; i++)
		packet_put(wan, packets[i]);
}

void emu_wan_run(struct emu_wan *wan, uint64_t now_ns)
{
	struct packet *packets[EMU_BATCH];
	size_t count = 0;

	while (wan->heap_count && wan->heap[0].due_ns <= now_ns) {
		struct entry e = heap_pop(wan);
		struct emu_counters *counters = &e.packet->link->count;

		check_late(wan, e.due_ns, now_ns);
		if (e.packet->link->params.cut) { /* nothing arrives once `cut` has been answered */
			counters->fate[EMU_DROP_CUT]++;
			packet_put(wan, e.packet);
			continue;
		}
		counters->out_pkts++;
		counters->out_bytes += e.packet->bytes;
		packets[count++] = e.packet;
		if (count == EMU_BATCH) {
			deliver_batch(wan, packets, count);
			count = 0;
		}
	}
	deliver_batch(wan, packets, count);
}

uint64_t emu_wan_next_ns(const struct emu_wan *wan)
{
	return wan->heap_count ? wan->heap[0].due_ns : UINT64_MAX;
}

const struct emu_overload *emu_wan_overload(const struct emu_wan *wan)
{
	return &wan->overload;
}

uint64_t emu_wan_strays(const struct emu_wan *wan)
{
	return wan->strays;
}

size_t emu_wan_flying(const struct emu_wan *wan)
{
	return wan->heap_count;
}
