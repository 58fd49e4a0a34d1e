/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"

#include <string.h>

#include "cli/text.h"

/* "host:2312", and the address when that says something new. */
static void who(const struct report_remote *remote, char *buf, size_t size)
{
	char name[REPORT_NAME_BYTES];

	text_plain(remote->name, name, sizeof(name));
	if (remote->address[0] == '\0' || strcmp(remote->address, remote->name) == 0)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%s (%s)", name, remote->address);
}

static void why(const struct report_remote *remote, char buf[RMDT_REASON_BYTES + 1])
{
	const char *reason =
		remote->reason[0] != '\0' ? remote->reason : rmdt_code_text(remote->code);

	text_plain(reason, buf, RMDT_REASON_BYTES + 1);
}

static uint64_t mean_rate(const struct report_remote *remote)
{
	if (remote->time_us == 0)
		return 0;
	return (uint64_t)((double)remote->bytes * 1e6 / (double)remote->time_us);
}

/* "1,024 bytes in 3.21 s, 2.68 Gbit/s" */
static void volume(const struct report_remote *remote, char *buf, size_t size)
{
	char bytes[TEXT_BYTES], time[TEXT_BYTES], rate[TEXT_BYTES];

	snprintf(buf, size, "%s bytes in %s, %s", text_count(remote->bytes, bytes),
		 text_seconds(remote->time_us, time), text_rate(mean_rate(remote), rate));
}

char *report_receiver_line(const struct report_remote *remote, char buf[REPORT_LINE_BYTES])
{
	char name[REPORT_NAME_BYTES + 80], amount[100], reason[RMDT_REASON_BYTES + 1];
	char rtt[TEXT_BYTES], loss[TEXT_BYTES], repaired[TEXT_BYTES];

	who(remote, name, sizeof(name));
	volume(remote, amount, sizeof(amount));
	switch (remote->fate) {
	case REPORT_COMPLETE:
		snprintf(buf, REPORT_LINE_BYTES, "%s: complete, %s, rtt %s, loss %s, repaired %s",
			 name, amount, text_rtt(remote->rtt_us, rtt),
			 text_percent(remote->packets_lost, remote->packets_sent, loss),
			 text_count(remote->repaired_bytes, repaired));
		break;
	case REPORT_LOST:
		why(remote, reason);
		snprintf(buf, REPORT_LINE_BYTES, "%s: LOST: %s, after %s", name, reason, amount);
		break;
	case REPORT_PENDING:
		snprintf(buf, REPORT_LINE_BYTES, "%s: NOT COMPLETE: interrupted after %s", name,
			 amount);
		break;
	}
	return buf;
}

char *report_sender_line(const struct report_remote *remote, char buf[REPORT_LINE_BYTES])
{
	char name[REPORT_NAME_BYTES + 80], amount[100];
	char reason[RMDT_REASON_BYTES + 1] = "interrupted";

	who(remote, name, sizeof(name));
	volume(remote, amount, sizeof(amount));
	if (remote->fate == REPORT_COMPLETE) {
		snprintf(buf, REPORT_LINE_BYTES, "from %s: complete, %s", name, amount);
		return buf;
	}
	if (remote->fate == REPORT_LOST)
		why(remote, reason);
	snprintf(buf, REPORT_LINE_BYTES,
		 "from %s: BROKEN: %s, after %s; the stream is NOT complete", name, reason, amount);
	return buf;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/*
 * Bytes above 0x7f are taken to be UTF-8: names come from the command line, reasons were made
 * plain.
 */
static void json_string(FILE *file, const char *key, const char *value)
{
	fprintf(file, "\"%s\":\"", key);
	for (; *value != '\0'; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			fprintf(file, "\\%c", c);
		else if (c < 0x20)
			fprintf(file, "\\u%04x", c);
		else
			putc(c, file);
	}
	putc('"', file);
}

static void json_number(FILE *file, const char *key, uint64_t value)
{
	fprintf(file, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void json_seconds(FILE *file, uint64_t us)
{
	fprintf(file, ",\"seconds\":%llu.%06llu", (unsigned long long)(us / 1000000),
		(unsigned long long)(us % 1000000));
}

static void json_remote(FILE *file, const struct report_remote *remote)
{
	static const char *const fates[] = { "pending", "complete", "lost" };
	char reason[RMDT_REASON_BYTES + 1] = "";

	if (remote->fate == REPORT_LOST)
		why(remote, reason);
	putc('{', file);
	json_string(file, "name", remote->name);
	putc(',', file);
	json_string(file, "address", remote->address);
	putc(',', file);
	json_string(file, "key", remote->fingerprint);
	putc(',', file);
	json_string(file, "result", fates[remote->fate]);
	json_number(file, "code", remote->fate == REPORT_LOST ? remote->code : 0);
	putc(',', file);
	json_string(file, "reason", reason);
	json_number(file, "bytes", remote->bytes);
	json_seconds(file, remote->time_us);
	json_number(file, "bits_per_second", mean_rate(remote) * 8);
	json_number(file, "rtt_us", remote->rtt_us);
	json_number(file, "packets_sent", remote->packets_sent);
	json_number(file, "packets_lost", remote->packets_lost);
	json_number(file, "repaired_bytes", remote->repaired_bytes);
	json_number(file, "chunk_bytes", remote->chunk_bytes);
	putc('}', file);
}

void report_write_json(const struct report *report, FILE *file)
{
	putc('{', file);
	json_string(file, "program", "pipeclone");
	putc(',', file);
	json_string(file, "version", rmdt_version());
	putc(',', file);
	json_string(file, "role", report->sending ? "sender" : "receiver");
	fprintf(file, ",\"complete\":%s", report->complete ? "true" : "false");
	json_number(file, "exit_status", (uint64_t)report->exit_status);
	putc(',', file);
	json_string(file, "error", report->error != NULL ? report->error : "");
	json_number(file, "bytes", report->bytes);
	json_seconds(file, report->time_us);
	fprintf(file, ",\"%s\":[", report->sending ? "receivers" : "senders");
	for (size_t i = 0; i < report->n; i++) {
		if (i > 0)
			putc(',', file);
		json_remote(file, &report->remotes[i]);
	}
	fputs("]}\n", file);
}
