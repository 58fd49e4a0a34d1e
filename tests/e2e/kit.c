/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/e2e/kit.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- reading ---- */

static struct kit_flow *find_flow(struct kit_node *n, const struct rmdt_in *in)
{
	for (unsigned i = 0; i < n->n_flows; i++) {
		if (n->flow[i].in == in)
			return &n->flow[i];
	}
	return NULL;
}

static bool is_right(const uint8_t *ptr, size_t len, uint64_t off)
{
	for (size_t i = 0; i < len; i++) {
		if (ptr[i] != kit_byte(off + i))
			return false;
	}
	return true;
}

/* All that is there; at the end it is confirmed and given back. With the lock held. */
static void drain(struct kit_node *n, struct kit_flow *f)
{
	const uint8_t *ptr;
	ssize_t len;

	while ((len = rmdt_in_peek(f->in, &ptr, 0, NULL)) > 0) {
		if (!is_right(ptr, (size_t)len, f->start_off + f->bytes))
			f->bad = true;
		f->bytes += (uint64_t)len;
		rmdt_in_consume(f->in, (size_t)len);
	}
	if (len == 0 && !f->ended) {
		f->ended = true;
		if (n->no_confirm)
			return;
		f->confirmed = rmdt_in_confirm(f->in) == 0;
		rmdt_in_free(f->in);
		f->in = NULL;
	}
}

static void open_flow(struct kit_node *n, struct rmdt_in *in)
{
	struct kit_flow *f = &n->flow[n->n_flows % KIT_FLOWS];
	struct rmdt_in_info info;

	rmdt_in_info(in, &info);
	memset(f, 0, sizeof(*f));
	f->in = in;
	f->start_off = info.start_off;
	f->priority = n->offer.priority;
	snprintf(f->name, sizeof(f->name), "%s", info.name);
	n->n_flows++;
}

static void handle_in(struct kit_node *n, const struct rmdt_event *ev)
{
	struct kit_flow *f;

	if (ev->kind == RMDT_EVENT_IN_OPEN)
		open_flow(n, ev->in);
	f = find_flow(n, ev->in);
	if (!f)
		return;
	if (ev->kind == RMDT_EVENT_IN_RESET) {
		f->reset = true;
		f->code = ev->code;
		memcpy(f->reason, ev->reason, sizeof(f->reason));
	} else if (!n->keep) {
		drain(n, f);
	}
}

static void take(void *ctx, const struct rmdt_event *ev)
{
	struct kit_node *n = ctx;
	struct rmdt_peer_info info;

	pthread_mutex_lock(&n->lock);
	n->count[ev->kind]++;
	n->last[ev->kind] = *ev;
	if (ev->in)
		handle_in(n, ev);
	/* The handle is not given back when another comes: that would close the association. */
	if (ev->kind == RMDT_EVENT_PEER_UP && rmdt_peer_info(ev->peer, &info) == 0 && info.inbound)
		n->inbound = rmdt_peer_ref(ev->peer);
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

static void *pump(void *ctx)
{
	struct kit_node *n = ctx;
	struct rmdt_event ev;

	while (rmdt_engine_next_event(n->engine, &ev, -1, n->cancel) == 0)
		take(n, &ev);
	return NULL;
}

void kit_read(struct kit_node *n)
{
	pthread_mutex_lock(&n->lock);
	n->keep = false;
	for (unsigned i = 0; i < n->n_flows; i++) {
		if (n->flow[i].in)
			drain(n, &n->flow[i]);
	}
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

/* ---- nodes ---- */

static unsigned on_offer(void *ctx, const struct rmdt_offer *offer, char *reason)
{
	struct kit_node *n = ctx;
	unsigned code;

	pthread_mutex_lock(&n->lock);
	n->offer = *offer;
	snprintf(n->offer_name, sizeof(n->offer_name), "%s", offer->name);
	memcpy(n->offer_meta, offer->meta, offer->meta_len);
	n->offer_meta[offer->meta_len] = '\0';
	code = n->refuse_code;
	if (code)
		snprintf(reason, RMDT_REASON_BYTES + 1, "%s",
			 n->refuse_reason ? n->refuse_reason : "");
	pthread_mutex_unlock(&n->lock);
	return code;
}

static unsigned on_candidate(void *ctx, const struct rmdt_candidate *candidate)
{
	const struct kit_node *n = ctx;

	(void)candidate;
	return n->admit_code;
}

static void on_log(void *ctx, int level, const char *line)
{
	(void)ctx;
	if (getenv("KIT_LOG"))
		fprintf(stderr, "%d %s\n", level, line);
}

static void apply(struct rmdt_config *cfg, const char *settings)
{
	char text[512], err[RMDT_ERROR_BYTES], *save = NULL;

	snprintf(text, sizeof(text), "%s", settings ? settings : "");
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');

		assert_non_null(value);
		*value++ = '\0';
		if (rmdt_config_set(cfg, word, value, "test", err))
			fail_msg("%s", err);
	}
}

void kit_start(struct kit_node *n)
{
	struct rmdt_engine_options opt = { .name = n->name, .accept_unlisted = !n->refuse_unlisted, .ctx = n,
					   .accept = on_offer, .admit = on_candidate,
					   .log = on_log };
	char err[RMDT_ERROR_BYTES] = "";

	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, NULL);
	if (!n->dir[0]) {
		snprintf(n->dir, sizeof(n->dir), "/tmp/rmdt-kit-XXXXXX");
		assert_non_null(mkdtemp(n->dir));
	}
	assert_int_equal(rmdt_config_new(&opt.config), 0);
	assert_int_equal(rmdt_config_set(opt.config, "identity", n->dir, "test", err), 0);
	apply(opt.config, n->settings);
	opt.listen.port = n->port;
	opt.handler = n->handler ? take : NULL;
	if (rmdt_engine_new(&opt, &n->engine, err))
		fail_msg("%s", err);
	rmdt_config_free(opt.config);
	n->port = rmdt_engine_port(n->engine);
	assert_int_equal(rmdt_cancel_new(&n->cancel), 0);
	if (!n->manual && !n->handler) {
		assert_int_equal(pthread_create(&n->thread, NULL, pump, n), 0);
		n->running = true;
	}
}

void kit_remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char file[512];

	while (dir && (e = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			unlink(file);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

void kit_stop(struct kit_node *n)
{
	rmdt_cancel_fire(n->cancel);
	if (n->running)
		pthread_join(n->thread, NULL);
	n->running = false;
	rmdt_engine_free(n->engine);
	n->engine = NULL;
	n->inbound = NULL;
	rmdt_cancel_free(n->cancel);
	kit_remove_dir(n->dir);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
}

void kit_start_each(struct kit_node **nodes)
{
	for (; *nodes; nodes++)
		kit_start(*nodes);
}

void kit_stop_each(struct kit_node **nodes)
{
	for (; *nodes; nodes++)
		kit_stop(*nodes);
}

/* ---- waiting ---- */

static void deadline(struct timespec *ts)
{
	clock_gettime(CLOCK_REALTIME, ts);
	ts->tv_sec += KIT_WAIT_MS / 1000;
}

void kit_await(struct kit_node *n, enum rmdt_event_kind kind, unsigned count)
{
	struct timespec until;
	unsigned have;

	deadline(&until);
	pthread_mutex_lock(&n->lock);
	while (n->count[kind] < count && pthread_cond_timedwait(&n->changed, &n->lock, &until) == 0)
		;
	have = n->count[kind];
	pthread_mutex_unlock(&n->lock);
	if (have < count)
		fail_msg("event %d: %u of %u came", (int)kind, have, count);
}

static unsigned confirmed(const struct kit_node *n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n->n_flows; i++)
		sum += n->flow[i].confirmed;
	return sum;
}

void kit_await_confirmed(struct kit_node *n, unsigned count)
{
	struct timespec until;
	unsigned have;

	deadline(&until);
	pthread_mutex_lock(&n->lock);
	while (confirmed(n) < count && pthread_cond_timedwait(&n->changed, &n->lock, &until) == 0)
		;
	have = confirmed(n);
	pthread_mutex_unlock(&n->lock);
	if (have < count)
		fail_msg("%u of %u flows were confirmed", have, count);
}

unsigned kit_count(struct kit_node *n, enum rmdt_event_kind kind)
{
	unsigned count;

	pthread_mutex_lock(&n->lock);
	count = n->count[kind];
	pthread_mutex_unlock(&n->lock);
	return count;
}

/* ---- sending ---- */

struct rmdt_peer *kit_connect(struct kit_node *from, struct kit_node *to)
{
	struct rmdt_connect_options opt = { .to = { .host = "127.0.0.1", .port = to->port }, .purpose = RMDT_PIPE };
	struct rmdt_peer *peer = NULL;

	assert_int_equal(rmdt_connect(from->engine, &opt, &peer), 0);
	return peer;
}

struct rmdt_peer *kit_connect_up(struct kit_node *from, struct kit_node *to)
{
	unsigned had = kit_count(from, RMDT_EVENT_PEER_UP);
	struct rmdt_peer *peer = kit_connect(from, to);

	kit_await(from, RMDT_EVENT_PEER_UP, had + 1);
	return peer;
}

struct rmdt_out *kit_out(struct kit_node *n, const struct rmdt_out_options *opt)
{
	struct rmdt_out_options plain = { .purpose = RMDT_PIPE, .name = "test", .priority = 1 };
	char err[RMDT_ERROR_BYTES] = "";
	struct rmdt_out *out = NULL;

	if (rmdt_out_new(n->engine, opt ? opt : &plain, &out, err))
		fail_msg("%s", err);
	return out;
}

void kit_fill(const struct rmdt_span *span)
{
	for (size_t i = 0; i < span->len; i++)
		span->ptr[i] = kit_byte(span->off + i);
}

void kit_write(struct rmdt_out *out, uint64_t len)
{
	while (len) {
		size_t want = len < 262144 ? (size_t)len : 262144;
		struct rmdt_span span;

		assert_int_equal(rmdt_out_reserve(out, want, &span, KIT_WAIT_MS, NULL), 0);
		kit_fill(&span);
		assert_int_equal(rmdt_out_commit(out, &span, span.len), 0);
		len -= span.len;
	}
}
