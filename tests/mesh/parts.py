"""What a mesh is made of: certificates, gateways, Envoy."""

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
LIMIT_S = 60


class Certificates:
    """Of the gateway, of the mesh, and of somebody whom the gateway does not
    know; all vouched for by one authority."""

    def __init__(self, folder):
        self.folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        for name in (proxy.GATEWAY, proxy.MESH, "stranger.test"):
            own = authority.issue_cert(name)
            own.private_key_pem.write_to_path(folder / f"{name}.key")
            own.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")

    def credentials(self, name=None):
        """For a client that shows the certificate of `name`, or none."""
        read = lambda file: (self.folder / file).read_bytes()
        pair = (read(f"{name}.key"), read(f"{name}.pem")) if name else (None, None)
        return grpc.ssl_channel_credentials(read("ca.pem"), *pair)


class Gateway:
    """A gateway in front of a vendor of its own. Only the mesh may call it."""

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
    """An Envoy in front of gateways, and what it tells of them."""

    def __init__(self, folder, certificates, gateways, **options):
        self.log, self.calls = folder / "envoy.log", folder / "calls.jsonl"
        door, admin = free_ports(2)
        self.door, self.admin = f"127.0.0.1:{door}", f"127.0.0.1:{admin}"
        targets = [gateway.grpc for gateway in gateways]
        config = proxy.config(
            self.door, self.admin, targets, certificates.folder, str(self.calls), **options
        )
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        command = [str(ENVOY), "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
        # The log of calls, which is read while they go on.
        command += ["--file-flush-interval-msec", "20"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(lambda: self.healthy() == set(targets), self)

    def hosts(self):
        """What Envoy holds against each gateway, by address; empty: nothing."""
        text = self.ask("clusters")
        found = {}
        for cluster in json.loads(text)["cluster_statuses"]:
            for host in cluster.get("host_statuses", []):
                address = host["address"]["socket_address"]
                held = {flag for flag, is_set in host["health_status"].items() if is_set is True}
                found[f"{address['address']}:{address['port_value']}"] = held
        return found

    def healthy(self):
        return {address for address, held in self.hosts().items() if not held}

    def stat(self, name):
        stats = json.loads(self.ask("stats"))["stats"]
        return next(each["value"] for each in stats if each.get("name") == name)

    def ask(self, what):
        answers = []

        def answered():
            answers.append(fetch(f"http://{self.admin}/{what}?format=json"))
            return answers[-1]

        wait_until(answered, self)
        return answers[-1]

    def close(self):
        self.process.kill()
        self.process.wait()


def wait_until(condition, part=None):
    """Waits for a condition; a process that ends meanwhile will not meet it."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        if condition():
            return
        if part is not None and part.process.poll() is not None:
            raise AssertionError(f"ended too early: {part.log.read_text()[-3000:]}")
        time.sleep(0.02)
    log = f": {part.log.read_text()[-3000:]}" if part is not None else ""
    raise AssertionError(f"did not happen within {LIMIT_S} s{log}")


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None
