"""Compares the gateway with others, and with the least that a gateway can do.

Usage: [ROUNDS=5] [SECONDS=1] run.py GATEWAY_BINARY

All processes live at the same time and are called in turn, so that what else the machine does
affects all alike: compare the ratios of one run. The first number is the CPU time of the process
for each call, the median of all rounds. L* is the sum of three parts that every gateway needs: a
tonic server that answers at once, base64 with escapes, and an HTTP client that posts a body.
"""

import contextlib
import os
import pathlib
import statistics
import sys
import tempfile
import time

import peers
import transcoder

ROUNDS = int(os.environ.get("ROUNDS", 5))
SECONDS = float(os.environ.get("SECONDS", 1))
IMAGES = [30_000, 300_000, 2_900_000]
CALLS = [("delete", 0), *(("add", size) for size in IMAGES)]
FRAME = 16_384


class Cell:
    """What the rounds of one kind of call have measured, by peer."""

    def __init__(self, name):
        self.name, self.rounds = name, {}

    def add(self, peer, measured):
        self.rounds.setdefault(peer, []).append(measured)

    def median(self, peer, what="cpu_us"):
        return statistics.median(measured[what] for measured in self.rounds[peer])


def measure(process, load):
    """Runs a load, and adds the CPU time of `process` for each call."""
    before = process.cpu_us()
    measured = load()
    assert measured.get("failed", 0) == 0, (process.process.args, measured)
    measured["cpu_us"] = (process.cpu_us() - before) / measured["calls"]
    return measured


def loaded(process, kind, size, concurrency, frame=0):
    arguments = (process.address, kind, size, concurrency, SECONDS, frame)
    return measure(process, lambda: peers.run("load", *arguments))


def least(vendor, echo, kind, size, concurrency):
    """Measures L*."""
    server = loaded(echo, kind, size, concurrency)
    client = peers.run("client", f"http://{vendor.address}", "24.bench", size, concurrency, SECONDS)
    kernel = peers.run("kernel", size, SECONDS / 4)["cpu_us"] if size else 0
    return {"cpu_us": server["cpu_us"] + client["cpu_us"] + kernel}


def compare(cells, vendor, gateways, echo):
    """One round of the calls that every peer can serve."""
    for kind, size in CALLS:
        for concurrency in (1, 8, 64):
            cell = cells.setdefault((kind, size, concurrency), Cell(name(kind, size, concurrency)))
            for peer, process in gateways.items():
                cell.add(peer, loaded(process, kind, size, concurrency))
            cell.add("L*", least(vendor, echo, kind, size, concurrency))


def vary(cells, vendor, samegate, variants):
    """One round of what only this gateway can do, or in another way."""

    def cell(name):
        return cells.setdefault(name, Cell(name))

    for hits in (1, 10, 300):
        cell(f"search, {hits} hits").add("samegate", loaded(samegate, "search", hits, 8))
    cell("300 kB in frames of 16 kB").add("samegate", loaded(samegate, "add", 300_000, 8, FRAME))
    cell("bulk, each of 500 × 100 kB").add("samegate", loaded(samegate, "bulk", 100_000, 1))
    cell("100 kB, for bulk").add("samegate", loaded(samegate, "add", 100_000, 8))
    for variant, process in variants.items():
        for kind, size in CALLS[:3]:
            cell(f"{name(kind, size, 8)}, {variant}").add("samegate", loaded(process, kind, size, 8))
    token = peers.rest_token(samegate)
    for size in (0, 300_000):
        arguments = (f"http://{samegate.rest}", token, size, 8, SECONDS)
        measured = measure(samegate, lambda: peers.run("client", *arguments))
        cell(f"{name('add' if size else 'delete', size, 8)}, over REST").add("samegate", measured)


def name(kind, size, concurrency):
    return f"{f'{size // 1000} kB' if size else kind}, c = {concurrency}"


def burst(vendor, process):
    """Returns the peak of memory of 64 × 3 MB that wait for a slow vendor, and 10 s after."""
    peers.control(vendor, hold_ms=1000)
    loaded(process, "add", 2_900_000, 64)
    peers.control(vendor, hold_ms=0)
    peak = process.rss_mib("VmHWM")
    time.sleep(10)
    return peak, process.rss_mib("VmRSS")


def check(vendor, process):
    """Compares pictures byte for byte behind a gateway."""
    before = peers.control(vendor, check=1)
    for size in IMAGES:
        loaded(process, "add", size, 8)
    after = peers.control(vendor, check=0)
    assert after["mangled"] == before["mangled"], after
    return after["compared"] - before["compared"]


def print_tables(cells, gateways):
    print(f"\n| call | L* | {' | '.join(gateways)} | samegate ÷ L* | p50, p99 of samegate | calls/s |")
    print("| --- |" + " --- |" * (len(gateways) + 4))
    for cell in (cell for cell in cells.values() if "L*" in cell.rounds):
        figures = [cell.median("L*"), *(cell.median(peer) for peer in gateways)]
        ratio = cell.median("samegate") / cell.median("L*")
        p50, p99 = (cell.median("samegate", what) for what in ("p50_us", "p99_us"))
        rate = 1e6 / cell.median("samegate")
        numbers = " | ".join(f"{figure:,.0f}" for figure in figures)
        print(f"| {cell.name} | {numbers} | {ratio:.2f} | {p50:,.0f}, {p99:,.0f} µs | {rate:,.0f} |")
    print("\n| samegate | CPU µs |\n| --- | --- |")
    for cell in (cell for cell in cells.values() if "L*" not in cell.rounds):
        print(f"| {cell.name} | {cell.median('samegate'):,.0f} |")


def main(binary):
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="samegate-bench-")))
        vendor = peers.vendor(stack)
        start = lambda name, telemetry="": peers.samegate(stack, binary, folder / name, vendor, telemetry)
        samegate, naive, echo = start("plain"), peers.naive(stack, vendor), peers.echo(stack)
        gateways = {"envoy": transcoder.start(stack, folder, vendor), "naive": naive, "samegate": samegate}
        collector = transcoder.collector(stack)
        variants = {
            "JSON log": start("json", 'log_format = "json"'),
            "spans": start("spans", f'otlp_endpoint = "http://{collector}"'),
        }
        cells = {}
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
            compare(cells, vendor, gateways, echo)
            vary(cells, vendor, samegate, variants)
        print_tables(cells, gateways)
        print(f"\n{check(vendor, samegate)} pictures arrived byte for byte")
        for peer in ("naive", "samegate"):
            peak, later = burst(vendor, gateways[peer])
            print(f"{peer}: peak {peak:.0f} MiB for 64 × 3 MB, {later:.0f} MiB 10 s after")


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]).resolve()))
