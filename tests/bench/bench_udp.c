/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What loopback carries without any protocol: one process reads (or not), seals (or not) and sends, another receives, opens
 * (or not) and says now and then how much it got, so that nothing is lost. The limit for doc/performance.md.
 *
 *     bench_udp [-s] [-f FILE] [-p PACKET] [-n BYTES]     -s: AES-256-GCM; -f: from a file, else from memory
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/aead.h"

#define TRAIN 65507		/* largest datagram over IPv4, and most that one segmented send takes */
#define AD_BYTES 15
#define AHEAD (4u << 20)	/* most under way */
#define SAY_EVERY (512u << 10)
#define READ_BYTES (256u << 10)

struct job {
	const char *file;
	bool seal;
	size_t packet;
	uint64_t bytes;		/* of payload */
	int fd;
	struct rmdt_aead *aead;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int udp_socket(struct sockaddr_in *self)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 16 << 20;
	socklen_t len = sizeof(*self);

	*self = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)self, len) < 0 || getsockname(fd, (struct sockaddr *)self, &len) < 0)
		fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static size_t payload(const struct job *job)
{
	return job->packet - AD_BYTES - RMDT_AEAD_TAG_BYTES;
}

/* ---- receiving ---- */

static void take(struct job *job, uint8_t *from, size_t len, uint8_t *to)
{
	uint64_t pn;

	if (len < AD_BYTES + RMDT_AEAD_TAG_BYTES)
		return;
	memcpy(&pn, from, sizeof(pn));
	if (!job->seal)
		memcpy(to, from + AD_BYTES, len - AD_BYTES - RMDT_AEAD_TAG_BYTES);
	else if (rmdt_aead_open(job->aead, pn, from, AD_BYTES, from + AD_BYTES, len - AD_BYTES, to) < 0)
		abort();
}

static void receive(struct job *job)
{
	static uint8_t train[65536], out[65536];
	uint64_t got = 0, said = 0;
	int on = 1;

	(void)setsockopt(job->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	while (got < job->bytes) {
		ssize_t n = recv(job->fd, train, sizeof(train), 0);

		if (n <= 0)
			fail("recv");
		for (size_t off = 0; off < (size_t)n; off += job->packet) {
			size_t len = (size_t)n - off < job->packet ? (size_t)n - off : job->packet;

			take(job, train + off, len, out);
			got += len - AD_BYTES - RMDT_AEAD_TAG_BYTES;
		}
		if (got - said >= SAY_EVERY || got >= job->bytes) {
			said = got;
			(void)!send(job->fd, &got, sizeof(got), 0);
		}
	}
}

/* ---- sending ---- */

static size_t fill(struct job *job, uint8_t *train, const uint8_t *data, size_t len, uint64_t *pn)
{
	size_t out = 0;

	while (len) {
		size_t n = len < payload(job) ? len : payload(job);
		uint8_t *p = train + out;

		memset(p, 0, AD_BYTES);
		memcpy(p, pn, sizeof(*pn));
		if (job->seal)
			(void)rmdt_aead_seal(job->aead, *pn, p, AD_BYTES, data, n, p + AD_BYTES);
		else
			memcpy(p + AD_BYTES, data, n);
		(*pn)++;
		data += n;
		len -= n;
		out += AD_BYTES + n + RMDT_AEAD_TAG_BYTES;
	}
	return out;
}

static void await(struct job *job, uint64_t sent, uint64_t *got)
{
	while (*got < sent && (sent - *got > AHEAD || sent >= job->bytes)) {
		if (recv(job->fd, got, sizeof(*got), 0) != sizeof(*got))
			fail("lost");
	}
}

static void send_all(struct job *job)
{
	static uint8_t data[READ_BYTES], train[65536];
	int in = job->file ? open(job->file, O_RDONLY) : -1, segment = (int)job->packet;
	size_t per_train = TRAIN / job->packet * payload(job);
	uint64_t sent = 0, got = 0, pn = 0;
	struct timeval patience = { .tv_sec = 2 };

	(void)setsockopt(job->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (job->packet < TRAIN && setsockopt(job->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
		fail("UDP_SEGMENT");
	while (sent < job->bytes) {
		ssize_t n = in < 0 ? (ssize_t)sizeof(data) : read(in, data, sizeof(data));

		if (n <= 0)
			fail("read");
		if ((uint64_t)n > job->bytes - sent)
			n = (ssize_t)(job->bytes - sent);
		for (size_t off = 0; off < (size_t)n; off += per_train) {
			size_t len = (size_t)n - off < per_train ? (size_t)n - off : per_train;
			size_t out = fill(job, train, data + off, len, &pn);

			if (send(job->fd, train, out, 0) < 0)
				fail("send");
			sent += len;
			await(job, sent, &got);
		}
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static const uint8_t key[RMDT_AEAD_KEY_BYTES] = { 1 }, iv[RMDT_AEAD_IV_BYTES] = { 2 };
	struct job job = { .packet = TRAIN, .bytes = UINT64_C(2000000000) };
	struct sockaddr_in here, there;
	double start;
	int far, opt;
	pid_t child;

	while ((opt = getopt(argc, argv, "sf:p:n:")) != -1) {
		if (opt == 's')
			job.seal = true;
		else if (opt == 'f')
			job.file = optarg;
		else if (opt == 'p')
			job.packet = strtoul(optarg, NULL, 10);
		else if (opt == 'n')
			job.bytes = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (job.packet < 256 || job.packet > TRAIN)
		return 2;
	job.aead = rmdt_aead_new(RMDT_AES_256_GCM, key, iv);
	job.fd = udp_socket(&here);
	far = udp_socket(&there);
	if (!job.aead || connect(job.fd, (struct sockaddr *)&there, sizeof(there)) < 0 ||
	    connect(far, (struct sockaddr *)&here, sizeof(here)) < 0)
		fail("connect");
	child = fork();
	if (child == 0) {
		job.fd = far;
		receive(&job);
		return 0;
	}
	start = now_s();
	send_all(&job);
	printf("%s, %s, packets of %zu: %.2f Gbit/s\n", job.file ? "file" : "memory", job.seal ? "aes-256-gcm" : "in clear",
	       job.packet, (double)job.bytes * 8 / (now_s() - start) / 1e9);
	(void)waitpid(child, NULL, 0);
	rmdt_aead_free(job.aead);
	return 0;
}
