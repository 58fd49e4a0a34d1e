/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_EXIT_H
#define TUNNEL_EXIT_H

#include "tunnel/target.h"

/* Connects streams to the server: its name is looked up, its addresses are tried in turn. */

struct relay;
struct stream;
struct exit_side;

int exit_new(struct relay *relay, const struct target *target, struct exit_side **exit);
void exit_free(struct exit_side *exit);	/* after the streams; NULL is fine */
/* stream_connected or stream_failed follows, perhaps before this returns. */
void exit_connect(struct exit_side *exit, struct stream *stream);
/* The stream is not interested any more, if it was. */
void exit_cancel(struct stream *stream);

#endif
