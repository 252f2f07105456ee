"""The processes of the benchmark: the vendor, gateways, and how much each has used."""

import contextlib
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "clients" / "python"))
from ports import free_ports  # noqa: E402

BENCH = ROOT / "bench" / "target" / "release" / "samegate-bench"
TIMEOUT_S = 60
# A credential sends at most 1000 requests a second.
CREDENTIALS = 16
KEY_HASH = hashlib.sha256(b"bench").hexdigest()


class Process:
    """A server, at `address`."""

    def __init__(self, stack, command, address, environment=None):
        self.address = address
        log = stack.enter_context(open(os.devnull, "w"))
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)
        wait_until(lambda: accepts(address), self.process)

    def cpu_us(self):
        """Returns the CPU time of all threads so far."""
        total = 0
        for file in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            # A thread that has just ended has done nothing that counts.
            with contextlib.suppress(OSError):
                total += int(file.read_text().split()[0])
        return total / 1000

    def rss_mib(self, name):
        """Returns VmRSS, or VmHWM for the peak."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) / 1024


def vendor(stack):
    address = free_address()
    return Process(stack, [BENCH, "vendor", address], address)


def naive(stack, vendor):
    address = free_address()
    return Process(stack, [BENCH, "naive", address, f"http://{vendor.address}"], address)


def echo(stack):
    address = free_address()
    return Process(stack, [BENCH, "echo", address], address)


def samegate(stack, binary, folder, vendor, telemetry=""):
    """Starts a gateway with keys, quotas, metrics and the access log."""
    grpc, rest, admin = (free_address() for _ in range(3))
    folder.mkdir()
    pairs = ", ".join(f'{{ api_key = "{n}", secret_key = "s" }}' for n in range(CREDENTIALS))
    config = folder / "samegate.toml"
    config.write_text(f"""
        [listen]
        grpc = "{grpc}"
        rest = "{rest}"
        admin = "{admin}"
        [libraries.cloud]
        backend = "rest"
        base_url = "http://{vendor.address}"
        credentials = [{pairs}]
        qps = 1000
        [tenants.one]
        libraries = ["cloud"]
        api_keys = ["sha256:{KEY_HASH}"]
        rest_keys = [{{ api_key = "rest", secret_key = "secret-of-the-benchmark" }}]
        quota = {{ requests_per_second = 1000000, requests_per_day = 100000000, concurrent = 1000 }}
        [telemetry]
        {telemetry}
    """)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SAMEGATE_")}
    process = Process(stack, [binary, "serve", "--config", config], grpc, inherited)
    process.rest = rest
    wait_until(lambda: answers(f"http://{admin}/readyz"), process.process)
    return process


def rest_token(gateway):
    query = "grant_type=client_credentials&client_id=rest&client_secret=secret-of-the-benchmark"
    with urllib.request.urlopen(f"http://{gateway.rest}/oauth/2.0/token?{query}") as response:
        return json.load(response)["access_token"]


def control(vendor, **settings):
    """Changes the vendor, and returns what it has compared so far."""
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    request = urllib.request.Request(f"http://{vendor.address}/control?{query}", data=b"")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def run(*arguments):
    """Runs a subcommand to its end, and returns what it has measured."""
    command = [str(BENCH), *(str(argument) for argument in arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def free_address():
    return f"127.0.0.1:{free_ports(1)[0]}"


def accepts(address):
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def answers(url):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


def wait_until(condition, process):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{process.args} does not answer")
        time.sleep(0.05)
