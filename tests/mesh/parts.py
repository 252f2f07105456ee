"""The parts of a test mesh: certificates, gateways, Envoy."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import envoy as envoy_package
import grpc
import trustme

import proxy
from ports import free_ports
from vendor import Vendor

ENVOY = pathlib.Path(envoy_package.__file__).parent / "_bin" / "envoy"
TIMEOUT_S = 60


class Certificates:
    """Certificates of the gateway, of the mesh, and of an unknown client, all
    issued by one authority."""

    def __init__(self, folder):
        self.folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        for name in (proxy.GATEWAY, proxy.MESH, "unknown.test"):
            certificate = authority.issue_cert(name)
            certificate.private_key_pem.write_to_path(folder / f"{name}.key")
            certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")

    def credentials(self, name=None):
        """Returns credentials with the client certificate of `name`, or with none."""
        read = lambda file: (self.folder / file).read_bytes()
        pair = (read(f"{name}.key"), read(f"{name}.pem")) if name else (None, None)
        return grpc.ssl_channel_credentials(read("ca.pem"), *pair)


class Gateway:
    """A gateway with its own vendor. It accepts only the certificate of the mesh."""

    def __init__(self, binary, folder, certificates, limits=""):
        folder.mkdir()
        self.vendor = Vendor()
        self.binary, self.folder = binary, folder
        self.log = folder / "gateway.log"
        self.grpc, rest, self.admin = (f"127.0.0.1:{port}" for port in free_ports(3))
        files = certificates.folder
        (folder / "samegate.toml").write_text(f"""
            [listen]
            grpc = "{self.grpc}"
            rest = "{rest}"
            admin = "{self.admin}"
            hosts = ["{proxy.GATEWAY}"]
            tls = {{ cert = "{files}/{proxy.GATEWAY}.pem", key = "{files}/{proxy.GATEWAY}.key", client_ca = "{files}/ca.pem" }}
            [libraries.cloud]
            backend = "rest"
            base_url = "{self.vendor.url}"
            credentials = [{{ api_key = "key", secret_key = "secret" }}]
            qps = 1000
            [tenants.mesh]
            libraries = ["cloud"]
            identities = ["dns:{proxy.MESH}"]
            [limits]
            {limits}
            [telemetry]
            log_format = "json"
        """)
        self.start()

    def start(self):
        command = [self.binary, "serve", "--config", str(self.folder / "samegate.toml")]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SAMEGATE_")}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=inherited, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(lambda: self.is_ready(), self)

    def is_ready(self):
        return fetch(f"http://{self.admin}/readyz") is not None

    def begin_to_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.vendor.close()


class Envoy:
    """An Envoy in front of gateways, and its view of them."""

    def __init__(self, folder, certificates, gateways, **options):
        self.log, self.calls = folder / "envoy.log", folder / "calls.jsonl"
        listener, admin = free_ports(2)
        self.listener, self.admin = f"127.0.0.1:{listener}", f"127.0.0.1:{admin}"
        targets = [gateway.grpc for gateway in gateways]
        config = proxy.config(
            self.listener, self.admin, targets, certificates.folder, str(self.calls), **options
        )
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        command = [str(ENVOY), "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
        # The access log is read while calls are in progress.
        command += ["--file-flush-interval-msec", "20"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(lambda: self.healthy() == set(targets), self)

    def hosts(self):
        """Returns the failed health flags of each gateway, by address; empty: healthy."""
        text = self.admin_page("clusters")
        found = {}
        for cluster in json.loads(text)["cluster_statuses"]:
            for host in cluster.get("host_statuses", []):
                address = host["address"]["socket_address"]
                failed = {flag for flag, is_set in host["health_status"].items() if is_set is True}
                found[f"{address['address']}:{address['port_value']}"] = failed
        return found

    def healthy(self):
        return {address for address, failed in self.hosts().items() if not failed}

    def stat(self, name):
        stats = json.loads(self.admin_page("stats"))["stats"]
        return next(stat["value"] for stat in stats if stat.get("name") == name)

    def admin_page(self, path):
        pages = []

        def fetched():
            pages.append(fetch(f"http://{self.admin}/{path}?format=json"))
            return pages[-1]

        wait_until(fetched, self)
        return pages[-1]

    def close(self):
        self.process.kill()
        self.process.wait()


def wait_until(condition, part=None):
    """Waits for a condition; fails when the process of `part` ends."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if condition():
            return
        if part is not None and part.process.poll() is not None:
            raise AssertionError(f"ended too early: {part.log.read_text()[-3000:]}")
        time.sleep(0.02)
    log = f": {part.log.read_text()[-3000:]}" if part is not None else ""
    raise AssertionError(f"did not happen within {TIMEOUT_S} s{log}")


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
