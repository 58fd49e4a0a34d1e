/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/emu_lab.h"

#include <inttypes.h>
#include <sys/resource.h>

/* One late packet in so many is overload. */
#define LATE_PART 1000

static uint64_t tun_drops(const struct emu_lab *lab)
{
	uint64_t drops = 0;

	for (int i = 1; i <= lab->hosts; i++)
		drops += emu_tun_drops(&lab->host[i].tun);
	return drops;
}

static uint64_t cpu_us(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static uint64_t delivered(const struct emu_lab *lab)
{
	uint64_t pkts = 0;

	for (int from = 1; from <= lab->hosts; from++) {
		for (int to = 1; to <= lab->hosts; to++)
			pkts += emu_wan_link(lab->wan, from, to)->count.out_pkts;
	}
	return pkts;
}

/* A hiccup of a shared machine spoils no measurement. A packet that was lost without being told to
 * does. */
bool emu_lab_overloaded(const struct emu_lab *lab)
{
	const struct emu_overload *overload = emu_wan_overload(lab->wan);

	return overload->late * LATE_PART > delivered(lab) || overload->no_memory || tun_drops(lab);
}

static void put(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\":%" PRIu64 ",", name, value);
}

static void put_hosts(const struct emu_lab *lab, FILE *out)
{
	fputs("\"hosts\":[", out);
	for (int i = 1; i <= lab->hosts; i++) {
		const struct emu_tun *tun = &lab->host[i].tun;

		fprintf(out, "%s{", i > 1 ? "," : "");
		put(out, "reads", tun->reads);
		put(out, "writes", tun->writes);
		put(out, "write_errors", tun->write_errors);
		put(out, "tun_drops", emu_tun_drops(tun));
		fprintf(out, "\"host\":\"%s\"}", lab->host[i].name);
	}
	fputs("],", out);
}

static void put_link(const struct emu_lab *lab, int from, int to, FILE *out)
{
	const struct emu_link *link = emu_wan_link(lab->wan, from, to);
	const struct emu_counters *c = &link->count;

	put(out, "in_pkts", c->in_pkts);
	put(out, "in_bytes", c->in_bytes);
	put(out, "out_pkts", c->out_pkts);
	put(out, "out_bytes", c->out_bytes);
	put(out, "lost", c->fate[EMU_LOST]);
	put(out, "drop_uplink", c->fate[EMU_DROP_UPLINK]);
	put(out, "drop_queue", c->fate[EMU_DROP_QUEUE]);
	put(out, "drop_mtu", c->fate[EMU_DROP_MTU]);
	put(out, "drop_cut", c->fate[EMU_DROP_CUT]);
	put(out, "reordered", c->reordered);
	put(out, "duplicated", c->duplicated);
	put(out, "corrupted", c->corrupted);
	put(out, "marked", c->marked);
	put(out, "drop_ect", c->fate[EMU_DROP_ECT]);
	put(out, "cross_pkts", c->cross_pkts);
	put(out, "cross_drops", c->cross_drops);
	put(out, "wait_us", emu_queue_wait_ns(&link->queue, emu_now_ns()) / EMU_NS_PER_US);
	fprintf(out, "\"link\":\"%s>%s\"}", lab->host[from].name, lab->host[to].name);
}

static void put_links(const struct emu_lab *lab, FILE *out)
{
	const char *comma = "";

	fputs("\"links\":[", out);
	for (int from = 1; from <= lab->hosts; from++) {
		for (int to = 1; to <= lab->hosts; to++) {
			if (emu_wan_link(lab->wan, from, to)->count.in_pkts == 0)
				continue;
			fprintf(out, "%s{", comma);
			put_link(lab, from, to, out);
			comma = ",";
		}
	}
	fputs("]", out);
}

void emu_lab_stats(const struct emu_lab *lab, FILE *out)
{
	const struct emu_overload *overload = emu_wan_overload(lab->wan);

	fprintf(out, "{\"overload\":%s,", emu_lab_overloaded(lab) ? "true" : "false");
	fprintf(out, "\"realtime\":%s,", lab->realtime ? "true" : "false");
	put(out, "uptime_us", (emu_now_ns() - lab->start_ns) / EMU_NS_PER_US);
	put(out, "cpu_us", cpu_us());
	put(out, "late", overload->late);
	put(out, "late_max_us", overload->late_max_us);
	put(out, "stalls", lab->stalls);
	put(out, "stall_max_us", lab->stall_max_us);
	put(out, "tun_drops", tun_drops(lab));
	put(out, "no_memory", overload->no_memory);
	put(out, "strays", emu_wan_strays(lab->wan));
	put(out, "flying", emu_wan_flying(lab->wan));
	put_hosts(lab, out);
	put_links(lab, out);
	fputs("}\n", out);
}
