# SPDX-License-Identifier: Apache-2.0
"""Which plots there are, and from which lines."""
from statistics import median

import svg
from rows import NAMES, cells, done, main_queue, series_of, spread


def rate_against(rows, panel_key, x_key, panel_name, x_label):
    """Panels of rate lines: WAN cells with the usual queue."""
    wan = [row for row in done(rows, "wan") if row["queue_ms"] == main_queue(rows)]
    grid = [row for row in wan if row["peer"] in ("pipeclone", "socat-bbr")]
    ticks = sorted({row[x_key] for row in grid if row["rtt_ms"] <= 300})
    panels = []
    for value in sorted({row[panel_key] for row in grid if row["rtt_ms"] <= 300}):
        series = {}
        for (peer, x), mbit in cells([row for row in wan if row[panel_key] == value], "peer", x_key).items():
            if x in ticks:
                series.setdefault(NAMES.get(peer, peer), []).append((x, median(mbit)))
        order = sorted(series, key=lambda name: list(NAMES.values()).index(name) if name in NAMES.values() else 99)
        panels.append((panel_name % svg.number(value), ticks, {name: sorted(series[name]) for name in order}))
    return panels


def draw_wan(rows):
    drawn = {}
    by_loss = rate_against(rows, "rtt_ms", "loss_pct", "RTT %s ms", "loss, % of packets")
    if by_loss:
        title = "200 MB over 500 Mbit/s: rate to the last byte against loss"
        drawn["wan-loss.svg"] = svg.plot_panels(title, by_loss, "loss, % of packets", "Mbit/s")
        title = "200 MB over 500 Mbit/s: rate to the last byte against RTT"
        by_rtt = rate_against(rows, "loss_pct", "rtt_ms", "loss %s %%", "RTT, ms")
        few = [(name, ticks, {n: line for n, line in series.items() if len(line) > 1}) for name, ticks, series in by_rtt]
        drawn["wan-rtt.svg"] = svg.plot_panels(title, few, "RTT, ms", "Mbit/s")
    return drawn


def rate_line(row, over=5):
    """Mbit/s over time from [ms, bytes], as a mean over some steps."""
    got = row["series"]
    return [(got[k][0] / 1000, (got[k][1] - got[k - over][1]) * 8e-3 / (got[k][0] - got[k - over][0]))
            for k in range(over, len(got))]


def draw_overtime(rows):
    runs, panels = {}, {}
    for row in rows:
        if row["scenario"] == "overtime" and row.get("series"):
            name = "%s Mbit/s, RTT %s ms, loss %s %%" % tuple(svg.number(row[k]) for k in ("rate_mbit", "rtt_ms", "loss_pct"))
            runs.setdefault((name, NAMES.get(row["peer"], row["peer"])), []).append(row)
    for (name, peer), found in runs.items():
        found.sort(key=lambda row: row["mbit"])
        panels.setdefault(name, {})[peer] = rate_line(found[len(found) // 2])
    if not panels:
        return {}
    return {"overtime.svg": svg.plot_panels("Rate over time at the receiver, the run in the middle", [(n, None, s) for n, s in panels.items()],
                                            "seconds since the sender was started", "Mbit/s, mean of half a second",
                                            marks=False)}


def draw_loopback(rows):
    found = cells(done(rows, "loopback"), "peer")
    bars = [(NAMES.get(peer, peer), *(x / 1000 for x in spread(mbit)), 0 if peer.startswith("pipeclone") else 1)
            for (peer,), mbit in found.items()]
    bars.sort(key=lambda bar: -bar[1])
    if not bars:
        return {}
    return {"loopback.svg": svg.plot_bars("One receiver over loopback, median and range", bars, "Gbit/s")}


def draw_receivers(rows, scenario, title):
    """Completion of every receiver: rate to its last byte."""
    bars = []
    for case, peer, receiver, mbit in series_of(rows, scenario):
        least, highest = min(mbit), max(mbit)
        name = " ".join(x for x in (case, NAMES.get(peer, peer), receiver) if x)
        bars.append((name, median(mbit), least, highest, 0 if peer.startswith("pipeclone") else 1))
    return {scenario + ".svg": svg.plot_bars(title, bars, "Mbit/s to its last byte, median and range")} if bars else {}


def draw_all(rows):
    drawn = {}
    drawn.update(draw_loopback(rows))
    drawn.update(draw_wan(rows))
    drawn.update(draw_overtime(rows))
    drawn.update(draw_receivers(rows, "fanout", "Four receivers across a bridge, each one's completion"))
    drawn.update(draw_receivers(rows, "unlike", "Receivers behind unlike paths, each one's completion"))
    return drawn
