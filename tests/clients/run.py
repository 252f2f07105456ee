"""Starts the gateway and runs third-party clients against it.

Usage: run.py GATEWAY_BINARY

Each client is a separate program. It prints a line `ok NAME` or `FAILED NAME: REASON` for every
check, and exits with an error when a check fails. A gateway runs in a temporary folder, on free
ports; a second one has a certificate for the vendor's host. The last check of each is that it stops
without an error.
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
import rest_clients  # noqa: E402
import vendor_host  # noqa: E402
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
        compiled = rest_clients.build(folder, sys.executable)

        def clients(grpc, rest, secret):
            return all_clients(grpc, rest, secret, drawn, compiled)

        def clients_of_vendor(_, rest, secret):
            return clients_by_vendors_name(rest, secret, drawn, certificates)

        certificates = folder / "certificates"
        tls = vendor_host.settings(certificates)
        counts = run_gateway(binary, folder / "plain", clients)
        counts += run_gateway(binary, folder / "tls", clients_of_vendor, **tls)
    passed, failed = (sum(each) for each in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def run_gateway(binary, folder, clients, **settings):
    """Starts a gateway, runs clients against it, and returns their counts and that of its end."""
    folder.mkdir()
    grpc, rest, admin = (f"127.0.0.1:{port}" for port in free_ports(3))
    log = folder / "gateway.log"
    gateway = start(binary, folder, log, grpc, rest, admin, **settings)
    try:
        wait_until_ready(gateway, admin)
        secret = (folder / "data" / "rest-secret-local").read_text()
        counts = [run_client(*client) for client in clients(grpc, rest, secret)]
        stopped = stop(gateway)
    finally:
        gateway.kill()
    print("ok gateway stops cleanly" if stopped else "FAILED gateway stops cleanly")
    counts.append((int(stopped), int(not stopped)))
    if any(failed for _, failed in counts):
        print("--- the gateway's log ---", log.read_text(), sep="\n")
    return counts


def all_clients(grpc, rest, secret, drawn, compiled):
    """Yields name and command of each client, and what makes lines of checks of its output."""
    python = CLIENTS / "python"
    sdk = [sys.executable, python / "sdk_baidu_aip.py", *sdk_options(f"http://{rest}", secret, drawn)]
    yield "Python grpcio", [sys.executable, python / "grpc_client.py", grpc, PROTO], str.splitlines
    buf = CLIENTS / "node" / "node_modules" / ".bin" / "buf"
    yield "buf curl", [sys.executable, python / "buf_curl.py", grpc, buf], str.splitlines
    node = ["node", CLIENTS / "node" / "client.js", grpc, PROTO, drawn]
    yield "Node grpc-js", node, str.splitlines
    connect = ["node", CLIENTS / "node" / "connect.js", grpc, PROTO, drawn]
    yield "Node connect", connect, str.splitlines
    yield "OpenAPI", [sys.executable, python / "openapi.py", grpc, drawn], str.splitlines
    yield "Python baidu-aip", sdk, str.splitlines
    arguments = [f"http://{rest}", "local", secret, drawn / "image-0.png"]
    for name, command in compiled.items():
        yield name, [*command, *arguments], rest_clients.check


def clients_by_vendors_name(rest, secret, drawn, certificates):
    """Yields clients that have the vendor's URL; the first verifies its certificate."""
    url = f"https://{vendor_host.HOST}"
    sample = [CLIENTS / "samples" / "client.py", url, "local", secret, drawn / "image-0.png"]
    command = vendor_host.command(sys.executable, rest, *sample)
    trusts = {"REQUESTS_CA_BUNDLE": str(certificates / "ca.crt")}
    yield "Python sample, the vendor's host", command, rest_clients.check, trusts
    sdk = [CLIENTS / "python" / "sdk_baidu_aip.py", *sdk_options(url, secret, drawn)]
    command = vendor_host.command(sys.executable, rest, *sdk)
    yield "Python baidu-aip, the vendor's host", command, str.splitlines


def sdk_options(base, secret, drawn):
    return ["--base", base, "--key", "local", "--secret", secret, "--images", drawn]


def run_client(name, command, read_lines, variables=()):
    """Runs a client, prints the lines that `read_lines` makes of its output, and counts them."""
    print(f"== {name}", flush=True)
    command = [str(part) for part in command]
    environment = {**os.environ, **rest_clients.ENVIRONMENT, **dict(variables)}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, encoding="utf-8", env=environment, timeout=CLIENT_TIMEOUT_S
    )
    try:
        lines = read_lines(done.stdout)
    except ValueError:
        lines = [f"FAILED the output is not one JSON object a line: {done.stdout!r}"]
    print(*lines, sep="\n", flush=True)
    good = sum(line.startswith(("ok ", "ok:")) for line in lines)
    bad = sum(line.startswith("FAILED ") for line in lines)
    if bad == 0 and (done.returncode != 0 or good == 0):
        print(f"FAILED {name}: exit status {done.returncode}, {good} checks")
        bad = 1
    return good, bad


def start(binary, folder, log, grpc, rest, admin, **settings):
    command = [str(pathlib.Path(binary).resolve()), "serve", "--data", str(folder / "data")]
    command += ["--grpc", grpc, "--rest", rest, "--admin", admin]
    # The script of the SDK serves images on a loopback port.
    settings["SAMEGATE_LIBRARIES__DEFAULT__ALLOW_PRIVATE_ADDRESSES"] = "true"
    settings["SAMEGATE_LIMITS__LAME_DUCK"] = "0s"
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
