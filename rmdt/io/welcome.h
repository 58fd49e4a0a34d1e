/* SPDX-License-Identifier: Apache-2.0 */
/* The two moments of a handshake at which the shell decides: the far key is proven, and the association stands. */
#ifndef RMDT_IO_WELCOME_H
#define RMDT_IO_WELCOME_H

struct rmdt_link;

/* Answers RMDT_CONN_ADMIT by the rules of trust and the application's opinion. */
void rmdt_welcome_admit(struct rmdt_link *link);
/* RMDT_CONN_UP: gives the link to its peer; an older association in its role and name has to go. */
void rmdt_welcome_up(struct rmdt_link *link);

#endif
