/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_STRAIN_H
#define RMDT_CORE_STRAIN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether it is we who hold a sender up: it always had more to send than it got sent, for all the time since it was last
 * looked at. Whatever else may limit it (window, pacing, credit, the application) lets it rest now and then.
 *
 * It also says when to look: at most every RMDT_STRAIN_LOOK_US, and once more after the last rest.
 */

/* Long against the time between two rests of a fast sender that has processor to spare. */
#define RMDT_STRAIN_LOOK_US 10000u

struct rmdt_strain {
	uint64_t looked_us;
	bool rested;		/* since then */
};

/* It was looked at; also to begin with. */
void rmdt_strain_looked(struct rmdt_strain *s, uint64_t now_us);

/* It has nothing that may be sent now. True: a look is due. */
bool rmdt_strain_rested(struct rmdt_strain *s, uint64_t now_us);

/* It has had its turn and wants to send more. True: it did all the time, so we are the limit, and a look is due. */
bool rmdt_strain_pressed(const struct rmdt_strain *s, uint64_t now_us);

/* When it must be looked at if nothing happens before; UINT64_MAX: not at all. */
uint64_t rmdt_strain_next_us(const struct rmdt_strain *s);

#endif
