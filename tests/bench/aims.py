# SPDX-License-Identifier: Apache-2.0
"""What we ask of ourselves, and whether the figures meet it: (what, asked, measured, met), nothing where lines are not there."""
from statistics import median

from rows import cells, done, main_queue

# At least so many Mbit/s for 200 MB at 100 ms by loss: on a path never seen before, and on one that is remembered.
RATES = {0: (400, 420), 0.1: (395, 415), 1: (385, 400), 5: (345, 360), 10: (290, 300)}
SHALLOW_PART = 0.85


def medians(rows, scenario, *keys, value="mbit"):
    return {key: median(values) for key, values in cells(done(rows, scenario), *keys, value=value).items()}


def at_least(what, asked, got, form="%.0f"):
    return what, "at least " + form % asked, form % got, got >= asked


def at_most(what, asked, got, form="%.2f"):
    return what, "at most " + form % asked, form % got, got <= asked


def never_slower(rows):
    found = medians(rows, "wan", "peer", "rtt_ms", "queue_ms", "loss_pct")
    for ours, name in (("pipeclone", "new path"), ("pipeclone-known", "remembered path")):
        ratios = [m / found[("socat-bbr",) + key[1:]] for key, m in found.items()
                  if key[0] == ours and key[1] <= 300 and key[2] == main_queue(rows) and ("socat-bbr",) + key[1:] in found]
        if ratios:
            yield at_least("%s, %d cells of RTT and loss: the worst ratio to TCP bbr" % (name, len(ratios)), 1, min(ratios), "%.2f")


def rates(rows):
    found = medians(rows, "wan", "peer", "rtt_ms", "queue_ms", "loss_pct")
    for k, (ours, name) in enumerate((("pipeclone", "new path"), ("pipeclone-known", "remembered path"))):
        for loss, asked in RATES.items():
            if (ours, 100, 100, loss) in found:
                yield at_least("%s, RTT 100 ms, loss %s %%, Mbit/s" % (name, loss), asked[k], found[ours, 100, 100, loss])
        if (ours, 100, 10, 1) in found:
            yield at_least("%s, RTT 100 ms, loss 1 %%, queue of 10 ms, Mbit/s" % name, SHALLOW_PART * RATES[1][k],
                           found[ours, 100, 10, 1])


def far(rows):
    found = cells([row for row in done(rows, "wan") if row["rtt_ms"] == 1000 and row["peer"] == "pipeclone"], "rate_mbit",
                  value="steady_mbit")
    for (rate,), values in found.items():
        yield at_least("RTT 1000 ms, loss 5 %, steady state, Mbit/s", 0.7 * rate, median(values))


def cost(rows):
    mine = [row for row in done(rows, "wan") if row["peer"].startswith("pipeclone") and "stopped" not in row]
    spent, back = {}, {}
    for row in mine:
        key = (row["rtt_ms"], row["queue_ms"], row["loss_pct"])
        if row["queue_ms"] == main_queue(rows) and row.get("sent_bytes"):
            spent.setdefault(key, []).append(row["sent_bytes"] / row["bytes"] * (1 - row["loss_pct"] / 100))
        if "feedback_bytes" in row:
            back.setdefault(key, []).append(100 * row["feedback_bytes"] / row["bytes"])
    if spent:
        yield at_most("the worst cell: bytes sent over bytes delivered, times 1 - p", 1.03, max(map(median, spent.values())), "%.3f")
    if back:
        yield at_most("the worst cell: feedback, % of the data", 0.5, max(map(median, back.values())), "%.2f")


def loopback(rows):
    found = medians(rows, "loopback", "peer")
    for ours, theirs, asked in (("pipeclone", "socat", 1.0), ("pipeclone-none", "socat", 1.3),
                                ("pipeclone", "ssh", 3), ("pipeclone", "udt", 10), ("pipeclone", "srt", 10)):
        if (ours,) in found and found.get((theirs,)):
            yield at_least("loopback: %s / %s" % (ours, theirs), asked, found[ours,] / found[theirs,], "%.2f")


def fanout(rows):
    found = medians(rows, "fanout", "peer", "receiver")
    for ours, asked in (("pipeclone", 0.8), ("pipeclone-none", 1.1)):
        mine = [m for (peer, receiver), m in found.items() if peer == ours and receiver != "all"]
        theirs = [m for (peer, receiver), m in found.items() if peer == "mbuffer" and receiver != "all"]
        if mine and theirs:
            yield at_least("four receivers, each: %s / mbuffer" % ours, asked, min(mine) / median(theirs), "%.2f")


def unlike(rows):
    found = medians(rows, "unlike", "case", "policy", "peer", "receiver")
    alone = medians(rows, "unlike", "case", "policy", "peer", "receiver", value="alone_mbit")
    for (case, policy, peer, receiver), m in found.items():
        key = case, policy, peer, receiver
        if case == "three" and receiver in ("r1", "r2") and policy != "block" and key in alone:
            yield at_least("unlike paths, %s: %s of what it gets alone" % (policy, receiver), 0.9, m / alone[key], "%.2f")
    four = {key: m for key, m in found.items() if key[0] == "four" and key[3] != "all"}
    by_peer = {}
    for (_, policy, peer, _), m in four.items():
        by_peer.setdefault((policy, peer), []).append(m)
    good = {key: sorted(values, reverse=True)[:3] for key, values in by_peer.items()}
    for (policy, peer), mine in good.items():
        for (_, other), theirs in good.items():
            if other.startswith("mbuffer") and not peer.startswith("mbuffer"):
                yield at_least("one of four at 1 %% and 50 ms, the three good ones: %s, %s / %s" % (peer, policy, other), 3,
                               min(mine) / median(theirs), "%.1f")


def many(rows):
    found = medians(rows, "many", "case", "peer", "receivers", value="cpu_per_gb")
    for (case, peer, receivers), m in found.items():
        if receivers > 1 and found.get((case, peer, 1)):
            yield at_most("%s receivers, %s: sender's CPU for a delivered byte, to that with one" % (receivers, case), 1.15,
                          m / found[case, peer, 1])


def share(rows):
    found = medians(rows, "share", "against", "peer", value="share_pct")
    for (against, peer), m in found.items():
        if against != "alone":
            yield at_least("one bottleneck: share of %s beside %s, %%" % (peer, against), 25, m)
    delays = medians(rows, "share", "against", "peer", value="queue_delay_ms")
    for (against, peer), m in delays.items():
        if against == "alone" and peer == "pipeclone":
            yield at_most("alone: delay added in the queue, ms", 30, m, "%.1f")


def tunnel(rows):
    mine = [row for row in rows if row["scenario"] == "tunnel"]
    rate = medians(mine, "tunnel", "case", "peer")
    ours = rate.get(("bulk", "dexor"))
    if ours:
        yield at_least("tunnel, loopback, one connection, Mbit/s", 4000, ours)
    for case, other, asked in (("bulk", "kcptun", 10), ("path", "socat-cubic", 5), ("path", "pipeclone", 0.9)):
        if (case, "dexor") in rate and rate.get((case, other)):
            yield at_least("tunnel, %s: dexor / %s" % (case, other), asked, rate[case, "dexor"] / rate[case, other], "%.2f")
    echo = {key: median(v) for key, v in cells(mine, "case", "every_us", "peer", value="echo_us").items()}
    for (case, every, peer), m in echo.items():
        if case == "echo" and peer == "dexor" and (case, every, "relay") in echo:
            yield at_most("tunnel, echo over loopback, %s: median beyond a plain relay's, us" %
                          ("one each %s us" % every if every else "each when the last is back"), 150,
                          m - echo[case, every, "relay"], "%.0f")
    for (tunnels, peer, rtt), v in cells(mine, "tunnels", "peer", "rtt_ms", value="echo_p99_us").items():
        if peer == "dexor":
            yield at_most("tunnel, echo ten times a second, RTT %s ms with loss, 20 connections in %s: p99 in round trips" %
                          (rtt, "one" if tunnels == 1 else "%s tunnels" % tunnels), 2.5, median(v) / rtt / 1000)
    three = {key: median(v) for key, v in cells(mine, "stalled", "rtt_ms").items()}
    for (stopped, rtt), m in three.items():
        if stopped and (0, rtt) in three:
            yield at_least("tunnel, RTT %s ms: readers beside one that does not read, of what they get without it" % rtt, 0.9,
                           m / three[0, rtt], "%.2f")
    for (peer, rtt), v in cells(mine, "peer", "rtt_ms", value="lost_pct").items():
        if peer == "dexor":
            yield at_most("tunnel, iperf3 -u at 200 Mbit/s, %s ms: lost, %%" % rtt, 0.1, median(v), "%.3f")


def all_aims(rows):
    found = []
    for aim in (never_slower, rates, far, cost, share, unlike, loopback, fanout, many, tunnel):
        found += list(aim(rows))
    return found
