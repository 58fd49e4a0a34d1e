/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define TEXT_BYTES 64	/* the longest address with its length fits */

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const struct rmdt_trust_addr *addr)
{
	return addr->version == 6 && memcmp(addr->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

struct rmdt_trust_addr rmdt_trust_addr_plain(const struct rmdt_trust_addr *addr)
{
	struct rmdt_trust_addr plain = *addr;

	if (is_mapped(addr)) {
		memset(&plain, 0, sizeof plain);
		plain.version = 4;
		memcpy(plain.bytes, addr->bytes + 12, 4);
	}
	return plain;
}

/* Decimal without sign or leading zeros, at most 128; -EINVAL. */
static int bits_parse(const char *text)
{
	int bits = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		bits = bits * 10 + (*text - '0');
		if (bits > 128)
			return -EINVAL;
	}
	return bits;
}

static bool has_host_bits(const struct rmdt_trust_cidr *cidr)
{
	unsigned bytes = cidr->addr.version == 4 ? 4 : 16;

	for (unsigned i = 0; i < bytes * 8; i++)
		if (i >= cidr->bits && (cidr->addr.bytes[i / 8] >> (7 - i % 8) & 1))
			return true;
	return false;
}

int rmdt_trust_addr_parse(const char *text, struct rmdt_trust_addr *out)
{
	struct rmdt_trust_addr addr = { .version = 0 };

	if (inet_pton(AF_INET, text, addr.bytes) == 1)
		addr.version = 4;
	else if (inet_pton(AF_INET6, text, addr.bytes) == 1)
		addr.version = 6;
	else
		return -EINVAL;
	*out = addr;
	return 0;
}

int rmdt_trust_cidr_parse(const char *text, size_t len, struct rmdt_trust_cidr *out)
{
	char buf[TEXT_BYTES];
	struct rmdt_trust_cidr cidr;
	char *slash;
	int width, bits;

	if (len >= sizeof buf || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	slash = strchr(buf, '/');
	if (slash)
		*slash = '\0';
	if (rmdt_trust_addr_parse(buf, &cidr.addr) < 0)
		return -EINVAL;
	width = cidr.addr.version == 4 ? 32 : 128;
	bits = slash ? bits_parse(slash + 1) : width;
	if (bits < 0 || bits > width)
		return -EINVAL;
	cidr.bits = (uint8_t)bits;
	if (has_host_bits(&cidr))
		return -EINVAL;
	if (is_mapped(&cidr.addr) && cidr.bits >= 96) {
		cidr.addr = rmdt_trust_addr_plain(&cidr.addr);
		cidr.bits -= 96;
	}
	*out = cidr;
	return 0;
}

bool rmdt_trust_cidr_has(const struct rmdt_trust_cidr *cidr, const struct rmdt_trust_addr *addr)
{
	struct rmdt_trust_addr a = rmdt_trust_addr_plain(addr);
	unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;

	if (a.version != cidr->addr.version || memcmp(a.bytes, cidr->addr.bytes, whole) != 0)
		return false;
	return rest == 0 || (a.bytes[whole] ^ cidr->addr.bytes[whole]) >> (8 - rest) == 0;
}
