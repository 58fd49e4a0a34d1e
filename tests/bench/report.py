#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns lines of measurements into tables and plots: report.py FOLDER [ROWS...]

FOLDER/results.json keeps everything measured so far. The lines of ROWS take the place of older ones of the same scenario,
peer and cell; what was not measured now is kept, with its date. Then README.md and the plots are written anew from it.
Only Python's standard library is used. The words of a line stand in bench.sh.
"""
import json
import os
import platform
import subprocess
import sys

import plots
import tables

MEASURED = {"date", "run", "bytes", "seconds", "mbit", "cpu_send", "cpu_recv", "sent_bytes", "repaired_bytes",
            "feedback_bytes", "wire_bytes", "stopped", "overloaded", "failed", "note", "commands", "series", "share_pct",
            "queue_delay_ms", "alone_mbit", "cpu_per_gb", "steady_mbit", "samples", "echo_us", "echo_p99_us",
            "echo_worst_us", "lost_pct", "entry_mb", "exit_mb"}
PACKAGES = ["socat", "iperf3", "openssh-server", "mbuffer", "libudt0", "srt-tools", "uftp", "udpcast", "ngtcp2-server",
            "kcptun", "libssl3", "libipsec-mb1"]
SETTINGS = ["net/core/rmem_max", "net/core/wmem_max", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem",
            "net/ipv4/tcp_congestion_control"]


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def first_line(path, key=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip() if key else line.strip()
    except OSError:
        pass
    return ""


def system_name():
    for line in output_of("sh", "-c", ". /etc/os-release && echo $PRETTY_NAME").splitlines():
        return line
    return platform.system()


def facts():
    """What a reader must know of the machine to judge or repeat the figures."""
    here = os.path.dirname(os.path.abspath(__file__))
    versions = {}
    for package in PACKAGES:
        version = output_of("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            versions[package] = version
    return {
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mb": int((first_line("/proc/meminfo", "MemTotal:") or "0 kB").split()[0]) // 1000,
        "kernel": platform.release(),
        "system": system_name(),
        "rmdt": output_of("git", "-C", here, "describe", "--always", "--dirty"),
        "versions": versions,
        "settings": {name.replace("/", "."): first_line("/proc/sys/" + name) for name in SETTINGS},
        "command": os.environ.get("BENCH_COMMAND", ""),
    }


def cell_of(row):
    return tuple(sorted((k, str(v)) for k, v in row.items() if k not in MEASURED))


def read_rows(paths):
    rows = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            rows += [json.loads(line) for line in file if line.strip()]
    return rows


def merge(old, new):
    """New rows replace the old ones of their cell; a peer that failed as a whole is superseded by any result, and a result by
    a failure only if it has none in the same cell."""
    cells = {cell_of(row) for row in new}
    peers = {(row["scenario"], row["peer"]) for row in new}
    whole = {(row["scenario"], row["peer"]) for row in old if is_whole_failure(row)} & peers
    kept = [row for row in old if cell_of(row) not in cells
            and not (is_whole_failure(row) and (row["scenario"], row["peer"]) in whole)]
    return kept + new


def is_whole_failure(row):
    return "failed" in row and "run" not in row


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def results_text(results):
    """JSON with one row on a line, so that a difference can be read."""
    rows = ",\n  ".join(json.dumps(row) for row in results["rows"])
    return '{"facts": %s,\n "rows": [\n  %s\n ]}\n' % (json.dumps(results["facts"], indent=1, sort_keys=True), rows)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    results = {"facts": {}, "rows": []}
    path = os.path.join(folder, "results.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
    new = read_rows(sys.argv[2:])
    results["rows"] = merge(results["rows"], new)
    now = facts() if new else None
    for scenario in sorted({row["scenario"] for row in new}):
        results["facts"][scenario] = now
    write(path, results_text(results))
    drawn = plots.draw_all(results["rows"])
    for name, text in drawn.items():
        write(os.path.join(folder, name), text)
    write(os.path.join(folder, "README.md"), tables.page(results, sorted(drawn)))


if __name__ == "__main__":
    main()
