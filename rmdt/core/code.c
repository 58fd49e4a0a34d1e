/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for enum rmdt_code: reasons in handshakes and closes are made of them too, so they
 * stand in the core.
 */
#include <stddef.h>

#include "rmdt.h"

static const char *const codes[] = {
	[RMDT_CODE_NONE] = "ended well",
	[RMDT_CODE_CLOSED] = "closed by the far end",
	[RMDT_CODE_INTERNAL] = "the far end is out of memory or broken",
	[RMDT_CODE_PROTOCOL] = "a rule of the protocol was broken",
	[RMDT_CODE_TIMEOUT] = "no word from the far end for too long",
	[RMDT_CODE_REFUSED] = "refused by the far end",
	[RMDT_CODE_UNAUTHORISED] = "our key is not authorised there",
	[RMDT_CODE_PSK] = "the pre-shared keys differ, or one side has none",
	[RMDT_CODE_KEY_CHANGED] = "known_hosts holds another key for this host",
	[RMDT_CODE_VERSION] = "no common protocol version",
	[RMDT_CODE_SUITE] = "the cipher suites differ",
	[RMDT_CODE_BUSY] = "the far end is busy",
	[RMDT_CODE_RESTARTED] = "the far end was restarted",
	[RMDT_CODE_REPLACED] = "replaced by a newer association",
	[RMDT_CODE_BEHIND] = "fell too far behind",
	[RMDT_CODE_LINGER] = "the others have finished and the linger time is over",
	[RMDT_CODE_ADDRESS] = "the name has no address, or there is no route to it",
	[RMDT_CODE_LEFT] = "left by the application",
	[RMDT_CODE_OUTPUT] = "the receiver could not write its output",
	[RMDT_CODE_LIMIT] = "the keys are worn out and could not be renewed",
};

const char *rmdt_code_text(unsigned code)
{
	if (code >= RMDT_CODE_APP)
		return "ended with a code of the application";
	if (code < sizeof(codes) / sizeof(codes[0]) && codes[code])
		return codes[code];
	return "ended with an unknown code";
}
