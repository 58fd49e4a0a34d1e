/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rmdt/rmdt.h>

/* What became of each remote, for people (a line each) and for programs (JSON). */

#define REPORT_NAME_BYTES 300		/* "[host]:65535" and some room */
#define REPORT_LINE_BYTES 1024		/* enough for every line */

enum report_fate {
	REPORT_PENDING,			/* not decided: still running, or we were interrupted */
	REPORT_COMPLETE,		/* the whole stream, confirmed */
	REPORT_LOST,			/* anything else; code and reason say why */
};

struct report_remote {
	char name[REPORT_NAME_BYTES];	/* as the user wrote it, with the port */
	char address[64];		/* numeric address and port; "" when none was reached */
	char fingerprint[RMDT_FINGERPRINT_BYTES];	/* "" when unknown */
	enum report_fate fate;
	unsigned code;			/* enum rmdt_code; with REPORT_LOST */
	char reason[RMDT_REASON_BYTES + 1];	/* may be "": the text of the code then */
	uint64_t bytes;			/* consumed at the receiver, or taken from the sender */
	uint64_t time_us;		/* from joining to the end */
	uint64_t rtt_us;		/* 0: not known */
	uint64_t packets_sent, packets_lost;
	uint64_t repaired_bytes, chunk_bytes;
};

/* The sender's line for a receiver. Returns buf. */
char *report_receiver_line(const struct report_remote *remote, char buf[REPORT_LINE_BYTES]);
/* The receiver's line for its sender. */
char *report_sender_line(const struct report_remote *remote, char buf[REPORT_LINE_BYTES]);

struct report {
	bool sending;
	bool complete;			/* everything that was required came to pass */
	int exit_status;
	const char *error;		/* our own failure; NULL: none */
	uint64_t bytes;			/* of the stream, as far as we had it */
	uint64_t time_us;
	const struct report_remote *remotes;	/* borrowed */
	size_t n;
};

/* One JSON object and a newline. */
void report_write_json(const struct report *report, FILE *file);

#endif
