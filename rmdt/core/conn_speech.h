/* SPDX-License-Identifier: Apache-2.0 */
/* A CTRL packet under construction: its frames, and what must be remembered of them. Inside of conn*.c only. */
#ifndef RMDT_CORE_CONN_SPEECH_H
#define RMDT_CORE_CONN_SPEECH_H

#include "core/conn_impl.h"
#include "core/wire.h"

/* Most items that one CTRL packet has to remember; what is over waits for the next. */
#define RMDT_SPEECH_ITEMS	64

struct rmdt_speech {
	struct rmdt_conn *c;
	uint64_t now_us;
	struct rmdt_wire_writer w;
	uint64_t ack_largest;		/* as in struct token */
	bool eliciting, has_message;
	unsigned wanted_pings;		/* quiet frames that want to be heard */
	unsigned count;
	struct token_item item[RMDT_SPEECH_ITEMS];
};

/* Writes into the train's buffer behind the room of the header. One byte is kept back for a PING at the end. */
void rmdt_speech_init(struct rmdt_speech *s, struct rmdt_conn *c, uint64_t now_us, struct rmdt_train *train, size_t size);
/* Each says of its kind what is due and fits, and takes it off what is due. */
void rmdt_speech_ack(struct rmdt_speech *s);
void rmdt_speech_conn(struct rmdt_speech *s);
void rmdt_speech_flows(struct rmdt_speech *s);
void rmdt_speech_messages(struct rmdt_speech *s);
/*
 * What must be remembered, NULL if nothing, in no more memory than it takes: a peer that acks nothing lets many stand.
 * -ENOMEM.
 */
int rmdt_speech_token(const struct rmdt_speech *s, struct token **token);
/* A length and so many bytes. */
void rmdt_speech_text(struct rmdt_wire_writer *w, const char *text);
/* Nothing was said after all: the frames are due as before. */
void rmdt_speech_take_back(struct rmdt_speech *s);

#endif
