/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends a file, or what a memory buffer holds, to any number of hosts at once, and tells what
 * became of each.
 *
 *     cc send_buffer.c $(pkg-config --cflags --libs rmdt) -o send_buffer
 *     ./send_buffer FILE HOST[:PORT]...
 *
 * Each receiver runs ./receive. Exit status: 0 when all of them confirmed.
 */
#include <rmdt/rmdt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_log(void *ctx, int level, const char *line)
{
	(void)ctx;
	(void)level;
	fprintf(stderr, "send_buffer: %s\n", line);
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *buf = NULL;
	long size;

	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
		buf = malloc((size_t)size + 1);
		*len = buf ? fread(buf, 1, (size_t)size, f) : 0;
	}
	fclose(f);
	return buf;
}

/* One association and one member for each host. The member need not be up to be counted on. */
static struct rmdt_peer *join(struct rmdt_engine *engine, struct rmdt_out *out, const char *host)
{
	struct rmdt_connect_options opt = { .purpose = RMDT_PIPE };
	struct rmdt_peer *peer;
	char err[RMDT_ERROR_BYTES];
	int rc = rmdt_parse_endpoint(host, RMDT_DEFAULT_PORT, &opt.to, err);

	if (rc) {
		fprintf(stderr, "send_buffer: %s\n", err);
		return NULL;
	}
	rc = rmdt_connect(engine, &opt, &peer);
	if (rc == 0)
		rc = rmdt_out_join(out, peer, 0);
	if (rc) {
		fprintf(stderr, "send_buffer: %s: %s\n", host, rmdt_strerror(rc));
		return NULL;
	}
	return peer;
}

/* Prints a member's fate; true: it has everything and says so. */
static int report(struct rmdt_out *out, struct rmdt_peer *peer, const char *host)
{
	struct rmdt_member_info m;

	if (rmdt_out_member(out, peer, &m))
		return 0;
	if (m.state == RMDT_MEMBER_CONFIRMED) {
		printf("%s: confirmed %llu bytes\n", host, (unsigned long long)m.consumed_off);
		return 1;
	}
	printf("%s: %s%s%s\n", host, rmdt_code_text(m.code), m.reason[0] ? ": " : "", m.reason);
	return 0;
}

/* Should all members be lost, nobody would make room for more: so the wait for it has an end. */
static int write_all(struct rmdt_out *out, const char *data, size_t len)
{
	const int patience_ms = 60000;

	while (len) {
		ssize_t n = rmdt_out_write(out, data, len < 1 << 20 ? len : 1 << 20, patience_ms,
					   NULL);

		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_to_all(struct rmdt_engine *engine, const char *data, size_t len, char **hosts,
		       int n)
{
	struct rmdt_out_options opt = { .purpose = RMDT_PIPE, .name = "buffer", .priority = 1 };
	struct rmdt_peer **peers = calloc((size_t)n, sizeof(*peers));
	struct rmdt_out *out;
	char err[RMDT_ERROR_BYTES];
	int good = 0;

	if (!peers || rmdt_out_new(engine, &opt, &out, err)) {
		fprintf(stderr, "send_buffer: %s\n", peers ? err : "out of memory");
		free(peers);
		return 1;
	}
	for (int i = 0; i < n; i++)
		peers[i] = join(engine, out, hosts[i]);
	if (write_all(out, data, len))
		fprintf(stderr, "send_buffer: nobody takes it any more\n");
	rmdt_out_finish(out);
	rmdt_out_wait(out, -1, NULL);
	for (int i = 0; i < n; i++) {
		if (peers[i])
			good += report(out, peers[i], hosts[i]);
		rmdt_peer_free(peers[i]);
	}
	rmdt_out_free(out);
	free(peers);
	return good == n ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct rmdt_engine_options opt = { .log = on_log };
	struct rmdt_engine *engine;
	char err[RMDT_ERROR_BYTES], *data;
	size_t len = 0;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: send_buffer FILE HOST[:PORT]...\n");
		return 2;
	}
	data = read_file(argv[1], &len);
	if (!data) {
		perror(argv[1]);
		return 1;
	}
	/* Settings of /etc/dexor and $HOME/.dexor, as the programs have them. */
	if (rmdt_config_new(&opt.config) || rmdt_config_load_defaults(opt.config, err) ||
	    rmdt_engine_new(&opt, &engine, err)) {
		fprintf(stderr, "send_buffer: %s\n", err);
		return 1;
	}
	rmdt_config_free(opt.config);
	status = send_to_all(engine, data, len, argv + 2, argc - 2);
	rmdt_engine_free(engine);
	free(data);
	return status;
}
