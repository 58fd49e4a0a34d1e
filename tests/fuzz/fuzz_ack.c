/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "core/acks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever rmdt_ack_read accepts keeps the promises of struct rmdt_ack, which loss builds on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rmdt_ack ack;
	struct rmdt_wire_reader r;

	rmdt_wire_reader_init(&r, data, size);
	if (!rmdt_ack_read(&r, &ack)) {
		assert(r.bad);
		return 0;
	}
	assert(!r.bad);
	assert(ack.count >= 1 && ack.count <= RMDT_ACK_MAX_RANGES);
	assert(ack.largest <= RMDT_ACKS_MAX_PN && ack.range[0].end == ack.largest + 1);
	for (size_t i = 0; i < ack.count; i++) {
		assert(ack.range[i].start < ack.range[i].end);
		assert(i == 0 || ack.range[i].end < ack.range[i - 1].start);
	}
	return 0;
}
