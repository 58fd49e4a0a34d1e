# SPDX-License-Identifier: Apache-2.0
"""Words for lines of measurements: choose, group, take medians."""
from statistics import median

# How a reader shall see the peers, in the order of tables and plots.
NAMES = {
    "pipeclone": "pipeclone",
    "pipeclone-known": "pipeclone, path remembered",
    "pipeclone-none": "pipeclone, cipher none",
    "socat": "TCP as it is here (socat)",
    "socat-bbr": "TCP bbr (socat)",
    "socat-cubic": "TCP cubic (socat)",
    "dexor": "dexor tunnel",
    "relay": "plain TCP relay (socat)",
    "mbuffer": "mbuffer",
    "mbuffer-cubic": "mbuffer, TCP cubic",
    "mbuffer-bbr": "mbuffer, TCP bbr",
    "iperf3-bbr": "iperf3 bbr",
    "iperf3-cubic": "iperf3 cubic",
    "ssh": "ssh aes128-gcm",
    "ngtcp2": "ngtcp2 (QUIC)",
    "kcptun": "kcptun",
    "udt": "UDT",
    "srt": "SRT",
    "uftp": "uftp",
    "udpcast": "udpcast",
}
ENCRYPTED = {"pipeclone", "pipeclone-known", "dexor", "ssh", "ngtcp2", "kcptun", "uftp"}


def done(rows, scenario):
    """Those that say a rate and mean something."""
    return [row for row in rows if row["scenario"] == scenario and "mbit" in row and "overloaded" not in row]


def cells(rows, *keys, value="mbit"):
    """{(values of keys): [value of every run]} in the order of the peers."""
    found = {}
    for row in rows:
        if value in row and all(key in row for key in keys):
            found.setdefault(tuple(row[key] for key in keys), []).append(row[value])
    return found


def spread(values):
    return median(values), min(values), max(values)


def ordered(peers):
    order = list(NAMES)
    return sorted(peers, key=lambda peer: order.index(peer) if peer in order else len(order))


def main_queue(rows):
    """The queue that most cells have."""
    queues = [row["queue_ms"] for row in rows if row["scenario"] == "wan" and "queue_ms" in row]
    return max(set(queues), key=queues.count) if queues else None


def series_of(rows, scenario):
    """[(case, peer, receiver, rates)] of single receivers."""
    found = {}
    for row in done(rows, scenario):
        if row.get("receiver", "all") != "all":
            case = " ".join(str(row[key]) for key in ("case", "policy") if key in row)
            found.setdefault((case, row["peer"], row["receiver"]), []).append(row["mbit"])
    return [(*key, rates) for key, rates in found.items()]
