# SPDX-License-Identifier: Apache-2.0
"""doc/bench/README.md: what was measured, as tables."""
from statistics import median

from aims import RATES, all_aims
from rows import ENCRYPTED, NAMES, cells, done, main_queue, ordered, spread

HEAD = """<!-- Written by tests/bench/report.py: change that, not this. -->
# Measurements

How to read and to repeat them is told in [benchmarks.md](../benchmarks.md); every single run is in
[results.json](results.json). Figures are medians, with the least and the most of the runs in brackets.
Mbit/s are user bytes to the last byte at the receiver, start of the programs included.
"""
TITLES = {
    "loopback": "One receiver over loopback",
    "wan": "Long lossy paths",
    "overtime": "Rate over time",
    "share": "Sharing a bottleneck",
    "fanout": "Several receivers across a bridge",
    "unlike": "Receivers behind unlike paths",
    "many": "Ten receivers",
    "tunnel": "Through a tunnel",
}

def table(head, rows):
    if not rows:
        return ""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] * len(head)) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def figure(values, scale=1.0, form="%.0f"):
    if not values:
        return "-"
    m, least, most = (form % (x * scale) for x in spread(values))
    return m if len(values) == 1 else "%s (%s-%s)" % (m, least, most)


def name_of(peer):
    return NAMES.get(peer, peer)


def of_cell(rows, peer):
    """One peer's figure in a cell, with what must be said of it."""
    mine = [row for row in rows if row["peer"] == peer]
    good = [row for row in mine if "mbit" in row and "overloaded" not in row]
    text = figure([row["mbit"] for row in good], form="%.0f" if all(r["mbit"] >= 10 for r in good) else "%.1f")
    marks = ["stopped" for row in good[:1] if any("stopped" in r for r in good)]
    marks += ["lab overloaded"] if any("overloaded" in row for row in mine) and not good else []
    failed = sum("failed" in row for row in mine)
    marks += ["%d of %d failed: %s" % (failed, len(mine), next(r["failed"] for r in mine if "failed" in r))] if failed else []
    return text + (" *%s*" % "; ".join(marks) if marks else "")


def ratio(a, b):
    return "%.2f" % (median(a) / median(b)) if a and b and median(b) else "-"


def absent(rows, scenario):
    """Peers that could not run here, with the reason."""
    return "".join("- %s: not measured, %s\n" % (name_of(row["peer"]), row["failed"]) for row in rows
                   if row["scenario"] == scenario and "failed" in row and "run" not in row)


# ---- loopback

def loopback(rows):
    mine = [row for row in rows if row["scenario"] == "loopback"]
    good = cells(done(rows, "loopback"), "peer")
    ours, plain = good.get(("pipeclone",), []), good.get(("pipeclone-none",), [])
    out = []
    for peer in ordered({row["peer"] for row in mine if "run" in row}):
        runs = [row for row in mine if row["peer"] == peer]
        rates = good.get((peer,), [])
        size = runs[0].get("size", 0) / 1e6
        failed = [row["failed"] for row in runs if "failed" in row]
        mark = " *%d of %d failed: %s*" % (len(failed), len(runs), failed[0]) if failed else ""
        out.append([name_of(peer), "yes" if peer in ENCRYPTED else "no", "%.0f" % size,
                    figure(rates, 1e-3, "%.2f") + mark, per_gb(runs, "cpu_send"), per_gb(runs, "cpu_recv"),
                    ratio(ours, rates), ratio(plain, rates)])
    head = ["", "encrypted", "MB", "Gbit/s", "sender, CPU s/GB", "receiver, CPU s/GB", "pipeclone / this",
            "cipher none / this"]
    return table(head, out)


def per_gb(rows, key):
    values = [row[key] / row["bytes"] * 1e9 for row in rows if row.get(key) and row.get("bytes")]
    return "%.2f" % median(values) if values else "-"


# ---- wan

def wan(rows):
    mine = [row for row in rows if row["scenario"] == "wan" and "run" in row]
    queue = main_queue(rows)
    grid = [row for row in mine if row["queue_ms"] == queue and row["rtt_ms"] <= 300]
    rest = [row for row in mine if row not in grid]
    parts = ["200 MB over 500 Mbit/s, queue %s ms, TCP with 256 MB of buffers. Mbit/s; *least* is what we ask of ourselves.\n"
             % queue, wan_grid(grid)]
    others = [row for row in grid if row["rtt_ms"] == 100]
    if others:
        parts += ["\nAt 100 ms, every peer. *Stopped*: it would have taken too long; the rate is what it had carried by then.\n",
                  wan_peers(others)]
    if rest:
        parts += ["\nOther queues and delays:\n", wan_grid(rest)]
    parts += ["\nWhat pipeclone spends: chunk bytes sent, repairs included, over bytes delivered; the least possible is 1/(1-p), "
              "and at most 1.03/(1-p) is asked. Feedback is all IP bytes that come back, of the bytes delivered, at most 0.5 %.\n",
              wan_cost(mine)]
    return "\n".join(parts)


def by_cell(rows):
    found = {}
    for row in rows:
        found.setdefault((row["rtt_ms"], row["queue_ms"], row["loss_pct"]), []).append(row)
    return dict(sorted(found.items()))


def wan_grid(rows):
    out = []
    for (rtt, queue, loss), here in by_cell(rows).items():
        good = cells(done(here, "wan"), "peer")
        bbr = good.get(("socat-bbr",), [])
        aim = RATES.get(loss, ("", "")) if rtt == 100 and queue == 100 else ("", "")
        out.append([rtt, queue, loss, of_cell(here, "pipeclone"), aim[0], of_cell(here, "pipeclone-known"), aim[1],
                    of_cell(here, "socat-bbr"), ratio(good.get(("pipeclone",), []), bbr),
                    ratio(good.get(("pipeclone-known",), []), bbr)])
    return table(["RTT ms", "queue ms", "loss %", "pipeclone, new path", "least", "remembered path", "least", "TCP bbr",
                  "new / bbr", "remembered / bbr"], out)


def wan_peers(rows):
    losses = sorted({row["loss_pct"] for row in rows})
    out = []
    for peer in ordered({row["peer"] for row in rows}):
        out.append([name_of(peer)] + [of_cell([r for r in rows if r["loss_pct"] == loss], peer) for loss in losses])
    return table([""] + ["%s %%" % loss for loss in losses], out)


def wan_cost(rows):
    out = []
    for (rtt, queue, loss), here in by_cell(rows).items():
        mine = [row for row in here if row["peer"].startswith("pipeclone") and row.get("sent_bytes") and "stopped" not in row]
        if not mine:
            continue
        sent = median([row["sent_bytes"] / row["bytes"] for row in mine])
        back = [100 * row["feedback_bytes"] / row["bytes"] for row in mine if "feedback_bytes" in row]
        out.append([rtt, queue, loss, "%.4f" % sent, "%.4f" % (1.03 / (1 - loss / 100)),
                    "%.3f" % median(back) if back else "-"])
    return table(["RTT ms", "queue ms", "loss %", "sent / delivered", "at most", "feedback %"], out)


# ---- all others

# Columns of a scenario, in this order, where its lines have them.
WORDS = [("case", "case"), ("policy", "policy"), ("against", "against"), ("receivers", "receivers"), ("connections", "connections"), ("tunnels", "tunnels"), ("every_us", "every us"), ("stalled", "not reading"),
         ("rate_mbit", "link Mbit/s"),
         ("rtt_ms", "RTT ms"), ("loss_pct", "loss %"), ("queue_ms", "queue ms"), ("receiver", "receiver")]
FIGURES = [("mbit", "Mbit/s", "%.0f"), ("alone_mbit", "alone Mbit/s", "%.0f"), ("share_pct", "share of the link %", "%.0f"),
           ("queue_delay_ms", "queue delay ms", "%.1f"), ("seconds", "seconds", "%.2f"), ("cpu_send", "sender CPU s", "%.2f"),
           ("cpu_per_gb", "CPU s per delivered GB", "%.3f"), ("repaired_bytes", "repaired bytes", "%.0f"), ("echo_us", "median us", "%.0f"), ("echo_p99_us", "p99 us", "%.0f"),
           ("samples", "samples", "%.0f"), ("entry_mb", "entry MB", "%.0f"), ("exit_mb", "exit MB", "%.0f"),
           ("lost_pct", "lost %", "%.3f")]


def general(rows, scenario):
    mine = [row for row in rows if row["scenario"] == scenario and "run" in row]
    words = [(key, name) for key, name in WORDS if any(key in row for row in mine)]
    figures = [(key, name, form) for key, name, form in FIGURES if any(key in row for row in mine)]
    groups = {}
    for row in mine:
        groups.setdefault((row["peer"],) + tuple(row.get(key, "") for key, _ in words), []).append(row)
    out = []
    for key, here in groups.items():
        good = [row for row in here if "failed" not in row and "overloaded" not in row]
        line = [name_of(key[0]), *key[1:]]
        line += [figure([row[k] for row in good if k in row], form=form) for k, _, form in figures]
        out.append(line + [remarks(here)])
    return table([""] + [name for _, name in words] + [name for _, name, _ in figures] + [""], out)


def remarks(rows):
    said = ["lab overloaded" for row in rows[:1] if any("overloaded" in r for r in rows)]
    said += sorted({str(row["failed"]) for row in rows if "failed" in row} | {row["note"] for row in rows if "note" in row})
    return "; ".join(said)


# ---- tunnel

TUNNEL_CASES = {
    "bulk": "One connection over loopback:",
    "path": "One connection over a path:",
    "echo": "Round trips of 100 bytes over loopback; every us: 0, each when the last is back:",
    "far": "Round trips of 100 bytes over a path that loses in both directions:",
    "stalled": "What three readers get, alone and beside one that does not read; the relays' memory at the end:",
    "udp": "iperf3 -u, 200 Mbit/s in datagrams of 1200 bytes:",
}


def tunnel(rows):
    mine = [row for row in rows if row["scenario"] == "tunnel"]
    parts = []
    for case, title in TUNNEL_CASES.items():
        here = [{k: v for k, v in row.items() if k != "case"} for row in mine if row.get("case") == case]
        parts += [title + "\n", general(here, "tunnel")] if here else []
    return "\n".join(parts)


# ---- the page

def machine(fact):
    lines = ["%s, %s cores, %s MB; Linux %s, %s; RMDT %s." % (fact["cpu"], fact["cores"], fact["memory_mb"], fact["kernel"],
                                                           fact["system"], fact["rmdt"])]
    lines.append("Packages: " + ", ".join("%s %s" % item for item in sorted(fact["versions"].items())) + ".")
    lines.append("Settings: " + "; ".join("%s = %s" % item for item in sorted(fact["settings"].items()))
                 + " (socket limits are raised to 64 MB while it runs).")
    return "\n".join(lines) + "\n"


def commands(rows, scenario):
    seen = {}
    for row in rows:
        if row["scenario"] == scenario and row.get("commands"):
            seen.setdefault(row["peer"], row["commands"])
    if not seen:
        return ""
    text = "\n".join("# %s\n%s" % (name_of(peer), "\n".join(seen[peer])) for peer in ordered(seen))
    return "\n<details><summary>Commands (host: command; s sends, r receives)</summary>\n\n```\n%s\n```\n</details>\n" % text


def aims(rows):
    out = [[what, asked, measured, "yes" if met else "**no**"] for what, asked, measured, met in all_aims(rows)]
    return "\n## What we ask of ourselves\n\n" + table(["", "asked", "measured", "met"], out) if out else ""


def dates(rows, scenario):
    days = sorted(row["date"][:16].replace("T", " ") for row in rows if row["scenario"] == scenario)
    return days[0] if days[0] == days[-1] else "%s to %s" % (days[0], days[-1])


def page(results, pictures):
    rows, facts = results["rows"], results["facts"]
    parts, last = [HEAD, aims(rows)], None
    for scenario, title in TITLES.items():
        if not any(row["scenario"] == scenario for row in rows):
            continue
        fact = facts.get(scenario)
        parts.append("\n## %s\n\nMeasured %s UTC%s.\n" % (title, dates(rows, scenario),
                                                      ", `%s`" % fact["command"] if fact and fact["command"] else ""))
        same = {k: v for k, v in fact.items() if k != "command"} if fact else None
        if fact and same != last:
            parts.append(machine(fact))
            last = same
        body = {"loopback": loopback, "wan": wan, "tunnel": tunnel}.get(scenario)
        parts.append(body(rows) if body else general(rows, scenario))
        parts.append(absent(rows, scenario))
        parts += ["![%s](%s)\n" % (title, name) for name in pictures if name.split(".")[0].split("-")[0] == scenario]
        parts.append(commands(rows, scenario))
    return "\n".join(part for part in parts if part)
