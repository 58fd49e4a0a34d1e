/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TUNNEL_REPORT_H
#define TUNNEL_REPORT_H

#include "cli/json.h"

/*
 * What a relay tells of itself: on the status socket, to the service manager, and in --json as a line {"event": "report",
 * ...} every minute and at the end.
 */

struct relay;
struct report;

/* Serves the status socket and says that the relay is ready. Without a place for the socket the relay does without. NULL: no memory. */
struct report *report_start(struct relay *relay);
/* An association came or went. NULL ok, here and below. */
void report_on_link(struct report *report);
/* The relay is ending. */
void report_on_stop(struct report *report);
void report_free(struct report *report);

/* Members of an object: routes, peers, connections, sessions, engine. */
void report_write(const struct relay *relay, struct json *json);

#endif
