/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/meter.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/text.h"

static const struct report_remote good = {
	.name = "host1:2312",
	.address = "10.0.0.1:2312",
	.fingerprint = "SHA256:abc",
	.fate = REPORT_COMPLETE,
	.bytes = 1073741824,
	.time_us = 3210000,
	.rtt_us = 200,
	.packets_sent = 10000,
	.packets_lost = 25,
	.repaired_bytes = 35000,
	.chunk_bytes = 1073776824,
};

static void assert_contains(const char *text, const char *part)
{
	assert_non_null(text);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void test_texts(void **state)
{
	char buf[TEXT_BYTES];

	(void)state;
	assert_string_equal(text_count(0, buf), "0");
	assert_string_equal(text_count(999, buf), "999");
	assert_string_equal(text_count(1000, buf), "1,000");
	assert_string_equal(text_count(UINT64_MAX, buf), "18,446,744,073,709,551,615");
	assert_string_equal(text_size(0, buf), "0 B");
	assert_string_equal(text_size(999, buf), "999 B");
	assert_string_equal(text_size(1000, buf), "1.00 kB");
	assert_string_equal(text_size(999499, buf), "999 kB");
	assert_string_equal(text_size(999500, buf), "1.00 MB");
	assert_string_equal(text_size(12345678, buf), "12.3 MB");
	assert_string_equal(text_rate(335000000, buf), "2.68 Gbit/s");
	assert_string_equal(text_rate(0, buf), "0 bit/s");
	assert_string_equal(text_seconds(3210000, buf), "3.21 s");
	assert_string_equal(text_seconds(125000000, buf), "2:05");
	assert_string_equal(text_seconds(3725000000, buf), "1:02:05");
	assert_string_equal(text_rtt(200, buf), "0.2 ms");
	assert_string_equal(text_rtt(1200000, buf), "1.20 s");
	assert_string_equal(text_percent(25, 10000, buf), "0.25 %");
	assert_string_equal(text_percent(0, 0, buf), "0.00 %");
	assert_string_equal(text_percent(9, 3, buf), "100.00 %");
	assert_string_equal(text_plain("a\033[2Jb\n", buf, TEXT_BYTES), "a?[2Jb?");
	assert_string_equal(text_plain("abcdef", buf, 4), "abc");
	assert_string_equal(text_plain("\xc2\x9b" "2J\xc3\xa9\xc2\xa0", buf, TEXT_BYTES),
			    "??2J\xc3\xa9\xc2\xa0");
}

static void test_receiver_lines(void **state)
{
	struct report_remote remote = good;
	char line[REPORT_LINE_BYTES];

	(void)state;
	assert_string_equal(
		report_receiver_line(&remote, line),
		"host1:2312 (10.0.0.1:2312): complete, 1,073,741,824 bytes in 3.21 s, 2.68 Gbit/s, "
		"rtt 0.2 ms, loss 0.25 %, repaired 35,000");
	remote.fate = REPORT_LOST;
	remote.code = RMDT_CODE_TIMEOUT;
	remote.bytes = 123;
	snprintf(remote.reason, sizeof(remote.reason), "no word for 30 s");
	assert_string_equal(
		report_receiver_line(&remote, line),
		"host1:2312 (10.0.0.1:2312): LOST: no word for 30 s, "
			    "after 123 bytes in 3.21 s, 304 bit/s");
	remote.reason[0] = '\0';
	assert_contains(report_receiver_line(&remote, line), rmdt_code_text(RMDT_CODE_TIMEOUT));
	remote.fate = REPORT_PENDING;
	remote.address[0] = '\0';
	assert_contains(report_receiver_line(&remote, line),
			"host1:2312: NOT COMPLETE: interrupted after 123 bytes");
}

static void test_sender_lines(void **state)
{
	struct report_remote remote = good;
	char line[REPORT_LINE_BYTES];

	(void)state;
	assert_string_equal(
		report_sender_line(&remote, line),
		"from host1:2312 (10.0.0.1:2312): complete, "
			    "1,073,741,824 bytes in 3.21 s, 2.68 Gbit/s");
	remote.fate = REPORT_LOST;
	snprintf(remote.reason, sizeof(remote.reason), "sender\a gone");
	assert_contains(report_sender_line(&remote, line),
			"BROKEN: sender? gone, after 1,073,741,824 bytes");
	assert_contains(line, "the stream is NOT complete");
	remote.fate = REPORT_PENDING;
	assert_contains(report_sender_line(&remote, line), "BROKEN: interrupted, after");
	assert_contains(line, "the stream is NOT complete");
}

static char *json(const struct report *report)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(file);
	report_write_json(report, file);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void test_json(void **state)
{
	struct report_remote remotes[2] = { good, good };
	struct report report = {
		.sending = true,
		.exit_status = 1,
		.bytes = 77,
		.time_us = 1500001,
		.remotes = remotes,
		.n = 2,
		.error = "a \"quoted\\\" text\n",
	};
	char *text;

	(void)state;
	remotes[1].fate = REPORT_LOST;
	remotes[1].code = RMDT_CODE_BUSY;
	text = json(&report);
	assert_contains(text, "\"role\":\"sender\"");
	assert_contains(text, "\"complete\":false");
	assert_contains(text, "\"exit_status\":1");
	assert_contains(text, "\"error\":\"a \\\"quoted\\\\\\\" text\\u000a\"");
	assert_contains(text, "\"seconds\":1.500001");
	assert_contains(text, "\"receivers\":[{");
	assert_contains(text,
			"\"result\":\"complete\",\"code\":0,\"reason\":\"\",\"bytes\":1073741824,");
	assert_contains(text, "\"result\":\"lost\",\"code\":11,\"reason\":\"");
	assert_contains(text, "]}\n");
	free(text);
	report = (struct report){ .complete = true };
	text = json(&report);
	assert_contains(text, "\"role\":\"receiver\",\"complete\":true");
	assert_contains(text, "\"senders\":[]}\n");
	free(text);
}

/* At every width the row fits, and a wider screen never shows less. */
static void test_rows(void **state)
{
	struct report_remote remote = good;
	struct progress_row row = {
		.remote = &remote,
		.rate_bytes_per_s = 335000000,
		.lag_bytes = 1200000,
		.eta_us = 12000000,
		.note = "cwnd",
	};
	char buf[PROGRESS_ROW_BYTES];

	(void)state;
	remote.fate = REPORT_PENDING;
	for (size_t columns = 0, last = 0; columns < 700; columns++) {
		size_t len = strlen(progress_format_row(&row, columns, buf));

		assert_true(len <= columns);
		assert_true(len >= last || columns == 60);
		last = len;
	}
	assert_contains(buf, "host1:2312");
	assert_contains(buf, "1.07 GB");
	assert_contains(buf, "2.68 Gbit/s");
	assert_contains(buf, "rtt   0.2 ms");
	assert_contains(buf, "loss  0.25 %");
	assert_contains(buf, "lag  1.20 MB");
	assert_contains(buf, "eta 12.00 s");
	assert_contains(buf, "cwnd");
	assert_contains(progress_format_row(&row, 80, buf), "loss");
	remote.fate = REPORT_COMPLETE;
	assert_contains(progress_format_row(&row, 80, buf), "complete in 3.21 s");
	remote.fate = REPORT_LOST;
	snprintf(remote.reason, sizeof(remote.reason), "output: No space left on device");
	assert_contains(progress_format_row(&row, 80, buf),
			"LOST: output: No space left on device");
	assert_int_equal(strlen(progress_format_row(&row, 30, buf)), 30);
}

static void test_meter(void **state)
{
	struct meter meter = { 0 };

	(void)state;
	assert_int_equal(meter_rate(&meter), 0);
	meter_add(&meter, 0, 1000000);
	assert_int_equal(meter_rate(&meter), 0);
	for (uint64_t i = 1; i <= 50; i++)
		meter_add(&meter, i * 1000, 1000000 + i * 100000);
	assert_in_range(meter_rate(&meter), 9990, 10010);
	/* After a pause the past no longer counts. */
	meter_add(&meter, 50000, 20000000);
	assert_int_equal(meter_rate(&meter), 0);
	meter_add(&meter, 50000, 20000000);
	assert_int_equal(meter_rate(&meter), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_receiver_lines),
		cmocka_unit_test(test_sender_lines),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_meter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
