/* SPDX-License-Identifier: Apache-2.0 */
/* dexor status: what the running programs of this user tell of themselves. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dexor.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/status.h"
#include "cli/text.h"

#define ANSWER_MS 1000			/* a program that does not answer within it is stopped or overloaded */
#define CELL_BYTES 300

enum { OPT_JSON, OPT_HELP };

static const struct options_entry table[] = {
	{ OPT_JSON, '\0', "json", OPTIONS_ARG_NONE, NULL, "all counters, as an array with an object per program" },
	{ OPT_HELP, 'h', "help", OPTIONS_ARG_NONE, NULL, "this text" },
	{ .name = NULL },
};

struct listing {
	bool as_json;
	unsigned n, silent;
	char document[STATUS_BYTES + 1];
};

/* ---- the table ---- */

static const char *text_of(struct json_value object, const char *key, char buf[CELL_BYTES])
{
	return json_get_text(json_member(object, key), buf, CELL_BYTES);
}

static uint64_t number_of(struct json_value object, const char *key)
{
	return json_get_number(json_member(object, key));
}

static uint64_t open_things(struct json_value program)
{
	return number_of(json_member(program, "connections"), "open") + number_of(json_member(program, "sessions"), "open");
}

static void print_row(struct json_value program, struct json_value peer)
{
	char name[CELL_BYTES], address[CELL_BYTES], what[CELL_BYTES], time[TEXT_BYTES], rtt[TEXT_BYTES] = "-",
		loss[TEXT_BYTES] = "-", rate[TEXT_BYTES] = "-";

	text_of(program, "program", name);
	text_of(program, "what", what);
	text_seconds(number_of(program, "seconds") * 1000000, time);
	if (peer.len) {
		text_of(peer, "address", address);
		text_rtt(number_of(peer, "rtt_us"), rtt);
		text_percent(number_of(peer, "packets_lost"), number_of(peer, "packets_sent"), loss);
		text_rate(number_of(peer, "bits_per_second") / 8, rate);
	} else {
		strcpy(address, "(nobody)");
	}
	printf("%-8llu %-13s %9s  %-22s %9s %8s %12s %6llu  %s\n", (unsigned long long)number_of(program, "pid"), name, time,
	       address, rtt, loss, rate, (unsigned long long)open_things(program), what);
}

static void print_program(struct listing *list, struct json_value program)
{
	struct json_value peers = json_member(program, "peers"), peer = json_next(peers, (struct json_value){ 0 });

	if (list->n == 0)
		printf("%-8s %-13s %9s  %-22s %9s %8s %12s %6s  %s\n", "PID", "PROGRAM", "UP", "PEER", "RTT", "LOSS", "RATE",
		       "OPEN", "WHAT");
	if (!peer.len)
		print_row(program, peer);
	for (; peer.len; peer = json_next(peers, peer))
		print_row(program, peer);
}

/* ---- asking ---- */

static void take(struct listing *list, size_t len)
{
	struct json_value program = json_read(list->document, len);

	if (program.len == 0)
		return;
	if (list->as_json)
		printf("%s%.*s", list->n ? ",\n" : "[", (int)program.len, program.at);
	else
		print_program(list, program);
	list->n++;
}

static void ask(struct listing *list, const char *path)
{
	int n = status_ask(path, list->document, sizeof(list->document), ANSWER_MS);

	if (n > 0) {
		take(list, (size_t)n);
	} else if (n == -ECONNREFUSED) {
		/* Its program is gone, and did not come to tidy up. */
		(void)unlink(path);
	} else if (n != -ENOENT) {
		fprintf(stderr, "dexor status: \"%s\" does not answer: %s\n", path, n ? rmdt_strerror(n) : "nothing was said");
		list->silent++;
	}
}

static void ask_folder(struct listing *list, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[STATUS_PATH_BYTES + 256 + 2];
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".sock") != 0)
			continue;
		snprintf(path, sizeof(path), "%.107s/%s", folder, entry->d_name);
		ask(list, path);
	}
	if (dir)
		closedir(dir);
}

static int print_status(bool as_json)
{
	char folder[STATUS_FOLDERS][STATUS_PATH_BYTES];
	struct listing *list = calloc(1, sizeof(*list));
	size_t n = status_folders(folder);
	int status;

	if (!list) {
		fputs("dexor status: out of memory\n", stderr);
		return DEXOR_EXIT_FAILED;
	}
	list->as_json = as_json;
	for (size_t i = 0; i < n; i++)
		ask_folder(list, folder[i]);
	if (as_json)
		puts(list->n ? "]" : "[]");
	else if (list->n == 0 && list->silent == 0)
		puts("no program of yours is running");
	status = list->silent ? DEXOR_EXIT_FAILED : DEXOR_EXIT_OK;
	free(list);
	return status;
}

static int print_help(void)
{
	puts("dexor status lists the running programs of this user, and for each remote engine round trip time,\n"
	     "loss, delivery rate, and how many connections or sessions are open.\n");
	puts("  dexor status [--json]\n");
	options_print(table, stdout);
	return DEXOR_EXIT_OK;
}

int dexor_status_main(int argc, char **argv)
{
	char err[RMDT_ERROR_BYTES];
	struct options_match match;
	struct options options;
	bool as_json = false;
	int rc;

	(void)argc;
	options_init(&options, table, argv + 1);
	while ((rc = options_next(&options, &match, err)) > 0) {
		if (match.option && match.option->id == OPT_HELP)
			return print_help();
		if (!match.option) {
			snprintf(err, sizeof(err), "\"%.64s\": no such option here", match.setting ? match.shown : match.value);
			rc = -EINVAL;
			break;
		}
		as_json = true;
	}
	if (rc < 0) {
		fprintf(stderr, "dexor status: %s; try dexor status --help\n", err);
		return DEXOR_EXIT_USAGE;
	}
	return print_status(as_json);
}
