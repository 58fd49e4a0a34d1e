/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RMDT_CORE_FRAME_H
#define RMDT_CORE_FRAME_H

#include <stdbool.h>

/* Frame types inside CTRL packets; their layout is in protocol.md, "Frames". */
enum rmdt_frame {
	RMDT_FRAME_PAD, RMDT_FRAME_PING, RMDT_FRAME_ACK, RMDT_FRAME_OPEN, RMDT_FRAME_STATE,
		RMDT_FRAME_CREDIT,
	RMDT_FRAME_FIN, RMDT_FRAME_RESET, RMDT_FRAME_STOP, RMDT_FRAME_MARK, RMDT_FRAME_DONE,
	RMDT_FRAME_CHALLENGE, RMDT_FRAME_RESPONSE, RMDT_FRAME_MESSAGE, RMDT_FRAME_REKEY,
		RMDT_FRAME_CLOSE,
	RMDT_FRAME_COUNT,
	RMDT_FRAME_SKIPPABLE = 64,	/* F1: unknown ones from here on are passed over */
};

/* F2: draws no ack by itself. */
static inline bool rmdt_frame_is_quiet(unsigned type)
{
	return type == RMDT_FRAME_PAD || type == RMDT_FRAME_ACK || type == RMDT_FRAME_STATE ||
	       type == RMDT_FRAME_CREDIT || type == RMDT_FRAME_CLOSE;
}

#endif
