"""Counts the instructions of calls through a whole gateway, and compares them with figures.

Usage: [WRITE=1] [TOLERANCE=0.03] run.py GATEWAY_BINARY [FIGURES]

The gateway runs under valgrind's callgrind, so a count does not depend on what else the
machine does. It does depend on the processor's vector instructions (the figures need AVX2)
and on the profile of the build: figures.json is of the binary that `cargo test` builds, so
that nothing is compiled for it. Keys, quota, metrics and the access log are on. WRITE=1
writes the figures; without FIGURES the counts are only printed.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients" / "python"))
import images  # noqa: E402
from contract import stubs  # noqa: E402
from ports import free_ports  # noqa: E402
from stub import HITS, Stub as Upstream  # noqa: E402

# Repeated runs of one binary differ by up to 1 %: random states of hash maps, packets. Machines differ by
# more: the C library copies by the sizes of the caches.
TOLERANCE = float(os.environ.get("TOLERANCE", 0.03))
TIMEOUT_S = 120
KEY = "instructions"
pb, Stub = stubs(ROOT / "proto")
SIGNS = pb.ContSignList(values=["1,2"])


class Gateway:
    """A gateway under callgrind, with a rest library and an embedded one."""

    def __init__(self, binary, folder, stack):
        self.folder = folder
        address, admin, rest = (f"127.0.0.1:{port}" for port in free_ports(3))
        key = hashlib.sha256(KEY.encode()).hexdigest()
        (folder / "samegate.toml").write_text(f"""
            [listen]
            grpc = "{address}"
            rest = "{rest}"
            admin = "{admin}"
            [libraries.cloud]
            backend = "rest"
            base_url = "{Upstream().url}"
            credentials = [{{ api_key = "key", secret_key = "secret" }}]
            qps = 1000
            [libraries.local]
            backend = "embedded"
            data_dir = "{folder}/data"
            min_free_disk = 0
            # They are the work of another project's encoder.
            preview_side = 0
            [tenants.one]
            libraries = ["cloud", "local"]
            api_keys = ["sha256:{key}"]
            quota = {{ requests_per_second = 1000000, requests_per_day = 100000000, concurrent = 1000 }}
        """)
        counting = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/counts"]
        command = [*counting, binary, "serve", "--config", str(folder / "samegate.toml")]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SAMEGATE_")}
        log = stack.enter_context((folder / "log").open("w"))
        self.process = subprocess.Popen(command, cwd=folder, env=inherited, stderr=log)
        stack.callback(self.process.wait)
        stack.callback(self.process.terminate)
        self.wait_until_ready(admin)
        channel = stack.enter_context(grpc.insecure_channel(address))
        self.stub = Stub(channel)

    def wait_until_ready(self, admin):
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://{admin}/readyz", timeout=5):
                    return
            time.sleep(0.1)
        raise AssertionError(f"no gateway: {(self.folder / 'log').read_text()[-3000:]}")

    def call(self, method, **fields):
        request = getattr(pb, f"{method}Request")(**fields)
        return getattr(self.stub, method)(
            request, timeout=TIMEOUT_S, metadata=[("x-api-key", KEY)]
        )

    def count(self, calls):
        """Returns the instructions of one of `calls`, on average."""
        self.control("--zero")
        for call in calls:
            call()
        self.control("--dump")
        dumps = self.folder.glob("counts.*")
        newest = max(dumps, key=lambda dump: int(dump.suffix[1:]))
        totals = re.findall(r"^(?:summary|totals): (\d+)", newest.read_text(), re.MULTILINE)
        return round(int(totals[0]) / len(calls))

    def control(self, action):
        command = ["callgrind_control", action, str(self.process.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)


def measure(gateway):
    """Returns instructions per call by name. The first calls of each kind are not counted."""
    noise = random.Random(1)

    def bmp(width, height):
        rows = noise.randbytes(3 * width * height)
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
        return struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54) + info + rows

    drawn = [images.png(seed) for seed in range(6)]
    search = lambda content, library: gateway.call(
        "SearchImages", content=content, library=library, limit=HITS
    )
    kinds = {
        "delete": (100, lambda _: gateway.call("DeleteImages", cont_signs=SIGNS)),
        "add of 300 kB": (20, lambda _: gateway.call("AddImage", content=bmp(316, 316))),
        "answer of 300 hits": (20, lambda _: search(bmp(52, 52), "cloud")),
        "engine add": (4, lambda n: gateway.call("AddImage", content=drawn[n], library="local")),
        "engine search": (4, lambda n: search(drawn[n], "local")),
    }
    counts = {}
    for name, (times, call) in kinds.items():
        for number in (-1, -2):
            call(number)
        counts[name] = gateway.count([lambda n=n: call(n) for n in range(times)])
    return counts


def compare(counts, figures):
    """Prints the counts beside the figures; returns whether all agree."""
    agree = True
    for name, count in counts.items():
        change = count / figures[name] - 1
        verdict = "ok" if abs(change) <= TOLERANCE else "DIFFERS"
        agree &= verdict == "ok"
        print(f"{verdict} {name}: {count:,} instructions, {change:+.1%}", flush=True)
    if not agree:
        print("If this is meant, write the new figures: WRITE=1 make instructions")
    return agree


def main(binary, file=None):
    if file and " avx2 " not in pathlib.Path("/proc/cpuinfo").read_text():
        return print("not compared: the figures are of a processor with AVX2")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="samegate-instructions-"))
        counts = measure(Gateway(binary, pathlib.Path(folder), stack))
    if file is None:
        return print(json.dumps(counts, indent=2))
    if os.environ.get("WRITE"):
        pathlib.Path(file).write_text(json.dumps(counts, indent=2) + "\n")
    sys.exit(0 if compare(counts, json.loads(pathlib.Path(file).read_text())) else 1)


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]).resolve()), *sys.argv[2:])
