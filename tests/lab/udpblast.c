/* SPDX-License-Identifier: Apache-2.0 */
/* udpblast: sends garbage datagrams at a rate to a host and port, and says how many. */
#include "tests/lab/emu_link.h" /* emu_random */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A test that has lost its blaster must not suffer from it for long. */
#define SECONDS_MAX 600
#define BYTES_MAX 65000

/* Datagrams sent before looking at the clock again. */
#define BURST_MAX 64

struct blast {
	double rate_bps, seconds; /* rate of UDP payload; 0 = as fast as it goes */
	uint64_t count;           /* at most so many */
	size_t bytes;
	uint64_t seed;
	const char *prefix_hex; /* every datagram begins with these bytes */
	uint64_t sent, refused;
};

static const char usage[] =
	"usage: udpblast [options] HOST PORT\n"
	"  -r RATE     bit/s of payload, with k, M or G (1M); 0 = as fast as it goes\n"
	"  -t SECONDS  (1; at most 600)\n"
	"  -n COUNT    stop after so many datagrams\n"
	"  -s BYTES    of every datagram (1200); 0 = a random length up to 1472 each\n"
	"  -p HEX      every datagram begins with these bytes\n"
	"  -S SEED     of the garbage (1)\n"
	"Prints {\"sent\":N,\"refused\":N}.\n";

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * EMU_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int number(const char *text, double least, double most, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end != text && *end && !end[1]) {
		value *= *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : -1;
		end++;
	}
	if (end == text || *end || !(value >= least && value <= most))
		return -EINVAL;
	*out = value;
	return 0;
}

static int open_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list;
	int err = getaddrinfo(host, port, &hints, &list);

	if (err) {
		fprintf(stderr, "udpblast: '%s' port '%s': %s\n", host, port, gai_strerror(err));
		return -1;
	}
	int fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) < 0) {
		fprintf(stderr, "udpblast: '%s' port '%s': %s\n", host, port, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

static size_t fill(struct blast *b, uint8_t *buf)
{
	size_t bytes = b->bytes ? b->bytes : 1 + emu_random(&b->seed) % 1472;
	size_t at = 0;
	unsigned byte;

	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t garbage = emu_random(&b->seed);

		memcpy(buf + i, &garbage, sizeof(garbage));
	}
	for (const char *hex = b->prefix_hex; hex && at < bytes && sscanf(hex, "%2x", &byte) == 1;
	     hex += 2) {
		buf[at++] = (uint8_t)byte;
		if (!hex[1])
			break;
	}
	return bytes;
}

static bool send_one(struct blast *b, int fd, double *sent_bytes)
{
	uint8_t buf[BYTES_MAX + sizeof(uint64_t)];
	size_t bytes = fill(b, buf);

	*sent_bytes += (double)bytes;
	if (send(fd, buf, bytes, 0) >= 0) {
		b->sent++;
		return true;
	}
	b->refused++; /* a refusal of the peer is reported by the next send: the aim is to go on */
	return errno == ECONNREFUSED || errno == ENOBUFS || errno == EMSGSIZE || errno == EPERM ||
	       errno == EHOSTUNREACH || errno == ENETUNREACH;
}

static int run(struct blast *b, int fd)
{
	uint64_t start_ns = now_ns(), end_ns = start_ns + (uint64_t)(b->seconds * 1e9);
	double sent_bytes = 0;

	for (uint64_t now = start_ns; now < end_ns && b->sent + b->refused < b->count;
	     now = now_ns()) {
		double earned =
			b->rate_bps > 0 ? (double)(now - start_ns) / 1e9 * b->rate_bps / 8 : 1e300;

		for (int i = 0;
		     i < BURST_MAX && sent_bytes <= earned && b->sent + b->refused < b->count;
		     i++) {
			if (!send_one(b, fd, &sent_bytes)) {
				fprintf(stderr, "udpblast: %s\n", strerror(errno));
				return 1;
			}
		}
		if (sent_bytes > earned)
			nanosleep(&(struct timespec) { .tv_nsec = 200000 }, NULL);
	}
	printf("{\"sent\":%" PRIu64 ",\"refused\":%" PRIu64 "}\n", b->sent, b->refused);
	return 0;
}

static int bad_usage(const char *text)
{
	fprintf(stderr, "udpblast: bad option or value: '%s'\n%s", text, usage);
	return 2;
}

int main(int argc, char **argv)
{
	struct blast b = {
		.rate_bps = 1e6, .seconds = 1, .count = UINT64_MAX, .bytes = 1200, .seed = 1
	};
	double value = 0;
	int c, err = 0;

	while ((c = getopt(argc, argv, "r:t:n:s:p:S:h")) != -1) {
		if (c == 'h')
			return fputs(usage, stdout), 0;
		if (c == 'r')
			err = number(optarg, 0, 1e12, &b.rate_bps);
		else if (c == 't')
			err = number(optarg, 0, SECONDS_MAX, &b.seconds);
		else if (c == 'n' && !(err = number(optarg, 0, 1e15, &value)))
			b.count = (uint64_t)value;
		else if (c == 's' && !(err = number(optarg, 0, BYTES_MAX, &value)))
			b.bytes = (size_t)value;
		else if (c == 'S' && !(err = number(optarg, 0, 1e15, &value)))
			b.seed = (uint64_t)value;
		else if (c == 'p')
			b.prefix_hex = optarg;
		if (err || c == '?')
			return bad_usage(optarg ? optarg : argv[optind - 1]);
	}
	if (argc - optind != 2)
		return bad_usage(argv[argc - 1]);
	int fd = open_to(argv[optind], argv[optind + 1]);

	if (fd < 0)
		return 1;
	err = run(&b, fd);
	close(fd);
	return err;
}
