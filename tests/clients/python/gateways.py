"""Gateways that the checks of the client packages start, stop and kill."""

import contextlib
import hashlib
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.request

from ports import free_ports

LIMIT_S = 60
KEYS = {"api_keys": "writer", "read_keys": "reader"}
EMBEDDED = '[libraries.default]\nbackend = "embedded"\ndata_dir = "data"\n'
# An authority, the gateway's certificate, and that of a client.
CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt
sign() {
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -days 2 -out "$1.crt" \\
        -extfile <(echo "subjectAltName=$2")
}
sign server IP:127.0.0.1
sign client URI:spiffe://example/shop
"""


class Gateway:
    """A gateway with keys, in a folder of its own.

    `library` and `tenant` are settings. `grpc` is its address, by default a free one.
    """

    def __init__(self, binary, folder, library=EMBEDDED, tenant="", grpc=None):
        self.binary = pathlib.Path(binary).resolve()
        self.folder = folder
        self.grpc, self.rest, self.admin = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.grpc = grpc or self.grpc
        digest = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in KEYS.items()}
        keys = "".join(f'{name} = ["sha256:{value}"]\n' for name, value in digest.items())
        (folder / "samegate.toml").write_text(
            f'{library}[tenants.shop]\nlibraries = ["default"]\n{keys}'
            f'rest_keys = [{{ api_key = "shop", secret_key = "its secret at the vendor" }}]\n{tenant}'
        )
        self.process = None

    def start(self):
        command = [self.binary, "serve", "--config", "samegate.toml"]
        command += ["--grpc", self.grpc, "--rest", self.rest, "--admin", self.admin]
        log = (self.folder / "gateway.log").open("a")
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_until(self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "gateway.log").read_text())
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=1).status == 200

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(LIMIT_S)


@contextlib.contextmanager
def gateway(binary, *settings, **options):
    with tempfile.TemporaryDirectory(prefix="samegate-package-") as folder:
        started = Gateway(binary, pathlib.Path(folder), *settings, **options)
        started.start()
        try:
            yield started
        finally:
            started.process.kill()
            started.process.wait(LIMIT_S)


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s"
        time.sleep(0.05)


@contextlib.contextmanager
def gateway_with_certificates(binary):
    """A gateway that asks for a client certificate: CA, certificate and key are in its folder."""
    with tempfile.TemporaryDirectory(prefix="samegate-package-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run(["bash", "-ec", CERTIFICATES], cwd=folder, check=True, capture_output=True)
        started = Gateway(binary, folder)
        (folder / "samegate.toml").write_text(
            '[listen.tls]\ncert = "server.crt"\nkey = "server.key"\nclient_ca = "ca.crt"\n'
            '[libraries.mine]\nbackend = "embedded"\ndata_dir = "data"\n'
            '[tenants.shop]\nlibraries = ["mine"]\nidentities = ["spiffe://example/shop"]\n'
        )
        started.start()
        try:
            yield started
        finally:
            started.process.kill()
            started.process.wait(LIMIT_S)


def equal(found, expected):
    """Fails with both values."""
    assert found == expected, f"{found!r} instead of {expected!r}"
