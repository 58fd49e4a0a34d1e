/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The moments at which the shell decides: the far key is proven, the association stands, the far
 * end has moved.
 */
#ifndef RMDT_IO_WELCOME_H
#define RMDT_IO_WELCOME_H

struct rmdt_link;

/* Answers RMDT_CONN_ADMIT by the rules of trust and the application's opinion. */
void rmdt_welcome_admit(struct rmdt_link *link);
/* RMDT_CONN_UP: gives the link to its peer; older associations in its role and name have to go. */
void rmdt_welcome_up(struct rmdt_link *link);
/* RMDT_CONN_MOVED of a peer's link: tells the peer, or closes where the far key may not be. */
void rmdt_welcome_moved(struct rmdt_link *link);

#endif
