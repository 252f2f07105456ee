"""Starts the gateway and runs third-party clients against it.

Usage: run.py GATEWAY_BINARY

Each client is a separate program. It prints a line `ok NAME` or `FAILED NAME: REASON` for every
check, and exits with an error when a check fails. The gateway runs in a temporary folder, on free
ports. The last check is that the gateway stops without an error.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "python"))
import images  # noqa: E402
from ports import free_ports  # noqa: E402

CLIENTS = pathlib.Path(__file__).resolve().parent
PROTO = CLIENTS.parent.parent / "proto"
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 40
CLIENT_TIMEOUT_S = 300


def main(binary):
    with tempfile.TemporaryDirectory(prefix="samegate-clients-") as folder:
        folder = pathlib.Path(folder)
        drawn = folder / "images"
        drawn.mkdir()
        for seed in range(6):
            (drawn / f"image-{seed}.png").write_bytes(images.png(seed))

        grpc, rest, admin = (f"127.0.0.1:{port}" for port in free_ports(3))
        log = folder / "gateway.log"
        gateway = start(binary, folder, log, grpc, rest, admin)
        try:
            wait_until_ready(gateway, admin)
            secret = (folder / "data" / "rest-secret-local").read_text()
            passed, failed = run_clients(grpc, rest, secret, drawn)
            stopped = stop(gateway)
        finally:
            gateway.kill()
        print("ok gateway stops cleanly" if stopped else "FAILED gateway stops cleanly")
        passed, failed = passed + stopped, failed + (not stopped)
        if failed:
            print("--- the gateway's log ---", log.read_text(), sep="\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def run_clients(grpc, rest, secret, drawn):
    python = CLIENTS / "python"
    clients = {
        "Python grpcio": [sys.executable, python / "grpc_client.py", grpc, PROTO],
        "buf curl": [
            *[sys.executable, python / "buf_curl.py", grpc],
            CLIENTS / "node" / "node_modules" / ".bin" / "buf",
        ],
        "Node grpc-js": ["node", CLIENTS / "node" / "client.js", grpc, PROTO, drawn],
        "Python baidu-aip": [
            *[sys.executable, python / "sdk_baidu_aip.py", "--base", f"http://{rest}"],
            *["--key", "local", "--secret", secret, "--images", drawn],
        ],
    }
    passed = failed = 0
    for name, command in clients.items():
        print(f"== {name}", flush=True)
        command = [str(part) for part in command]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=CLIENT_TIMEOUT_S)
        print(done.stdout, end="", flush=True)
        lines = done.stdout.splitlines()
        good = sum(line.startswith(("ok ", "ok:")) for line in lines)
        bad = sum(line.startswith("FAILED ") for line in lines)
        if bad == 0 and (done.returncode != 0 or good == 0):
            print(f"FAILED {name}: exit status {done.returncode}, {good} checks")
            bad = 1
        passed, failed = passed + good, failed + bad
    return passed, failed


def start(binary, folder, log, grpc, rest, admin, **settings):
    command = [str(pathlib.Path(binary).resolve()), "serve", "--data", str(folder / "data")]
    command += ["--grpc", grpc, "--rest", rest, "--admin", admin]
    # The script of the SDK serves images on a loopback port.
    settings["SAMEGATE_LIBRARIES__DEFAULT__ALLOW_PRIVATE_ADDRESSES"] = "true"
    with log.open("w") as output:
        return subprocess.Popen(
            command, cwd=folder, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
        )


def wait_until_ready(gateway, admin):
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if gateway.poll() is not None:
            raise SystemExit(f"the gateway ended with status {gateway.returncode}")
        try:
            with urllib.request.urlopen(f"http://{admin}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"the gateway was not ready within {START_TIMEOUT_S} s")


def stop(gateway):
    gateway.send_signal(signal.SIGTERM)
    try:
        return gateway.wait(STOP_TIMEOUT_S) == 0
    except subprocess.TimeoutExpired:
        return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
