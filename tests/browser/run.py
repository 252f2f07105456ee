"""Lets pages in a real Chromium attack a gateway.

Usage: run.py GATEWAY_BINARY

Each page tries all that a page can do: forms, beacons, fetch with and without CORS, gRPC-Web, JSON.
It even knows a valid access token. Pages of other origins must change and read nothing, also when
their own name is rebound to the gateway. The page of a listed origin succeeds with the same
requests, which shows that they would have an effect.
"""

import base64
import json
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import grpc
from google.protobuf.json_format import MessageToJson

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients" / "python"))
# Before this folder, which has a `run.py` too.
sys.path.insert(0, str(ROOT / "tests" / "clients"))
import images  # noqa: E402
from checks import check  # noqa: E402
from checks import run as run_checks  # noqa: E402
from contract import stubs  # noqa: E402
from pages import Rebound, Site  # noqa: E402
from ports import free_ports  # noqa: E402
from run import start, stop, wait_until_ready  # noqa: E402

REPORT_TIMEOUT_S = 60
# Names of all pages lead to this machine; the browser talks to nothing else.
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=HttpsUpgrades",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]
pb, Stub = stubs(ROOT / "proto")


class Target:
    """A gateway with two images, and the site of the pages that attack it."""

    def __init__(self, binary, folder):
        self.folder, self.site = folder, Site()
        self.grpc, self.rest, self.admin = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.listed = f"http://app.test:{self.site.port}"
        log = folder / "gateway.log"
        variables = {"SAMEGATE_LISTEN__CORS_ORIGINS": self.listed}
        self.process = start(binary, folder, log, self.grpc, self.rest, self.admin, **variables)
        wait_until_ready(self.process, self.admin)
        self.stub = Stub(grpc.insecure_channel(self.grpc))
        self.kept = self.add(0, "kept")
        self.victim = self.add(1, "victim")

    def add(self, seed, brief):
        request = pb.AddImageRequest(content=images.png(seed), brief=brief)
        return self.stub.AddImage(request).cont_sign

    def briefs(self):
        listed = self.stub.ListImages(pb.ListImagesRequest())
        return sorted(image.brief for image in listed.images)

    def log_level(self):
        return fetch(f"http://{self.admin}/log-level").strip()

    def rejections(self, reason):
        """Returns how many requests each listener rejected for this reason."""
        pattern = rf'samegate_web_rejections_total{{listener="(\w+)",reason="{reason}"}} (\d+)'
        found = re.findall(pattern, fetch(f"http://{self.admin}/metrics"))
        return {listener: int(count) for listener, count in found}

    def token(self):
        secret = (self.folder / "data" / "rest-secret-local").read_text()
        keys = {"grant_type": "client_credentials", "client_id": "local", "client_secret": secret}
        query = urllib.parse.urlencode(keys)
        return json.loads(fetch(f"http://{self.rest}/oauth/2.0/token?{query}"))["access_token"]

    def visit(self, page, targets=None, **config):
        """Opens a page in a browser; returns what its requests led to."""
        listeners = {"grpc": self.grpc, "rest": self.rest, "admin": self.admin}
        targets = targets or {name: f"http://{address}" for name, address in listeners.items()}
        names = ["form", "multipart", "beacon", "fetch", "opaque"]
        drawn = {name: encoded(images.png(10 + seed)) for seed, name in enumerate(names)}
        calls = {
            "GetLibrary": pb.GetLibraryRequest(),
            "ListImages": pb.ListImagesRequest(),
            "AddImage": pb.AddImageRequest(content=images.png(20), brief="page"),
            "UpdateImage": pb.UpdateImageRequest(cont_sign=self.kept, brief="changed"),
            "DeleteImages": pb.DeleteImagesRequest(cont_signs={"values": [self.victim]}),
        }
        documents = {**calls, "AddImage": pb.AddImageRequest(content=images.png(21), brief="page")}
        self.site.config = {
            "targets": targets,
            "token": self.token(),
            "images": drawn,
            "calls": {name: encoded(framed(message)) for name, message in calls.items()},
            "documents": {name: MessageToJson(message) for name, message in documents.items()},
            "report": f"http://report.test:{self.site.port}/report",
            **config,
        }
        log = self.folder / "chromium.log"
        with log.open("a") as output:
            browser = subprocess.Popen(self.chromium(page), stdout=output, stderr=subprocess.STDOUT)
        try:
            return self.site.reports.get(timeout=REPORT_TIMEOUT_S)
        except queue.Empty:
            raise AssertionError(f"no report of {page}: {log.read_text()[-3000:]}") from None
        finally:
            browser.terminate()
            browser.wait()

    def chromium(self, *arguments):
        """The command of a browser with a profile of its own."""
        profile = tempfile.mkdtemp(prefix="chromium-", dir=self.folder)
        return ["chromium", *OPTIONS, f"--user-data-dir={profile}", *arguments]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def encoded(content):
    return base64.b64encode(content).decode()


def framed(message):
    content = message.SerializeToString()
    return b"\0" + len(content).to_bytes(4, "big") + content


def assert_untouched(target, outcomes):
    assert target.briefs() == ["kept", "victim"], (target.briefs(), outcomes)
    assert target.log_level() == "info", outcomes
    for name, outcome in outcomes.items():
        harmless = outcome == "opaque" or outcome.startswith(("blocked", "421 ", "403 ", "415 "))
        assert harmless, (name, outcome)


@check
def a_page_of_another_site_changes_and_reads_nothing(target):
    outcomes = target.visit(f"http://evil.test:{target.site.port}/")

    assert_untouched(target, outcomes)
    assert len(outcomes) == 22, outcomes
    origins = target.rejections("foreign_origin")
    assert all(origins[listener] > 0 for listener in ("grpc", "rest", "admin")), origins


@check
def a_page_of_another_port_of_this_machine_changes_and_reads_nothing(target):
    outcomes = target.visit(f"http://127.0.0.1:{target.site.port}/")

    assert_untouched(target, outcomes)


@check
def a_page_whose_name_is_rebound_to_a_listener_changes_and_reads_nothing(target):
    for listener, address in (("grpc", target.grpc), ("rest", target.rest), ("admin", target.admin)):
        before = target.rejections("foreign_host")[listener]
        rebound = Rebound(target.site, address)
        origin = f"http://evil.test:{rebound.port}"

        options = {"rebind": f"{origin}/rebind", "sameOrigin": True}
        outcomes = target.visit(f"{origin}/", {listener: origin}, **options)

        assert_untouched(target, outcomes)
        # The browser lets the page read the responses: its requests did arrive.
        assert any(outcome.startswith("421 ") for outcome in outcomes.values()), outcomes
        assert target.rejections("foreign_host")[listener] > before, listener


@check
def the_name_of_a_gateway_in_another_domain_shows_nothing(target):
    for address in (target.grpc, target.rest, target.admin):
        port = address.rsplit(":", 1)[1]
        url = f"http://evil.test:{port}/state"
        command = target.chromium("--dump-dom", url)
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        assert "this host is not served here" in shown, shown


@check
def a_page_of_a_listed_origin_calls_over_grpc_web_in_json_and_over_rest(target):
    outcomes = target.visit(f"{target.listed}/")

    # Two forms, a beacon, two requests of fetch, one of gRPC-Web, one in JSON; the victim is deleted.
    expected = ["changed"] + ["page"] * 7
    deadline = time.monotonic() + REPORT_TIMEOUT_S
    while target.briefs() != expected and time.monotonic() < deadline:
        # No one waits for the response to a beacon.
        time.sleep(0.05)
    assert target.briefs() == expected, (target.briefs(), outcomes)
    calls = ("GetLibrary", "AddImage", "DeleteImages", "UpdateImage")
    calls += tuple(f"{name} in JSON" for name in calls)
    for name in ("state", "metrics", "add", *calls):
        assert outcomes[name].startswith("200 "), (name, outcomes[name])
    # The admin port is read only to it, and the gRPC port needs a content type of its own.
    assert target.log_level() == "info"
    assert outcomes["log level"].startswith("blocked"), outcomes
    assert outcomes["token"].startswith("401 "), outcomes


def main(binary):
    # Processes of a browser outlive it for a moment, and write to its profile.
    temporary = tempfile.TemporaryDirectory(prefix="samegate-browser-", ignore_cleanup_errors=True)
    with temporary as folder:
        target = Target(binary, pathlib.Path(folder))
        try:
            run_checks(target)
        finally:
            stop(target.process)
            target.process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
