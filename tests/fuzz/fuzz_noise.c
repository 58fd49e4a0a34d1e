/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to a fresh handshake. The first byte chooses side, suite and psk; then come messages,
 * each with its length in two bytes. Nobody without the keys gets a handshake to its end.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/noise.h"

#define ROOM 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t static_priv[RMDT_NOISE_KEY_BYTES] = "a private key of a fuzz target.";
static const uint8_t ephemeral_priv[RMDT_NOISE_KEY_BYTES] = "an ephemeral one, always same.";
static const uint8_t psk[RMDT_NOISE_KEY_BYTES] = "a secret between the two of us.";

static struct rmdt_noise *side_new(uint8_t choice)
{
	const struct rmdt_noise_config config = {
		.suite = choice & 1 ? RMDT_CHACHA20_POLY1305 : RMDT_AES_256_GCM,
		.initiator = choice & 2,
		.static_priv = static_priv,
		.ephemeral_priv = ephemeral_priv,
		.psk = choice & 4 ? psk : NULL,
		.prologue = "fuzz",
		.prologue_len = 4,
	};

	return rmdt_noise_new(&config);
}

/* Cuts a message off the input. */
static int message_cut(const uint8_t **p, size_t *left, const uint8_t **msg, size_t *len)
{
	if (*left < 2)
		return 0;
	*len = (size_t)(*p)[0] << 8 | (*p)[1];
	*p += 2;
	*left -= 2;
	if (*len > *left)
		*len = *left;
	*msg = *p;
	*p += *len;
	*left -= *len;
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[ROOM], before[RMDT_NOISE_HASH_BYTES];
	const uint8_t *msg;
	size_t len;
	struct rmdt_noise *n;

	if (size == 0 || !(n = side_new(data[0])))
		return 0;
	data++;
	size--;
	(void)rmdt_noise_write_message(n, "payload", 7, out, sizeof out);
	while (message_cut(&data, &size, &msg, &len)) {
		int r;

		memcpy(before, rmdt_noise_hash(n), sizeof before);
		r = rmdt_noise_read_message(n, msg, len, out, sizeof out);
		assert(r <= (int)len);
		if (r < 0)
			assert(memcmp(before, rmdt_noise_hash(n), sizeof before) == 0);
		(void)rmdt_noise_write_message(n, "payload", 7, out, sizeof out);
		assert(!rmdt_noise_is_done(n) && !rmdt_noise_remote_static(n));
	}
	rmdt_noise_free(n);
	return 0;
}
