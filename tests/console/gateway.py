"""The gateway of the tests: 200 drawn images, one group of copies, keys that may write and read."""

import hashlib
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

import drawn

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients" / "python"))
# Before this folder, which has a `run.py` too.
sys.path.insert(0, str(ROOT / "tests" / "clients"))
import grpc  # noqa: E402
from contract import stubs  # noqa: E402
from ports import free_ports  # noqa: E402
from run import stop, wait_until_ready  # noqa: E402
from tokens import AUDIENCE, ISSUER, Issuer  # noqa: E402

POSTERS = 200
KEY, READ_KEY, OTHER_KEY = "a-key-that-writes", "a-key-that-reads", "a-key-of-others"
CONFIG = """
[libraries.posters]
backend = "embedded"
data_dir = "{folder}/posters"
# Circles and windows look alike: what is drawn from another seed scores less.
min_score = 0.85
[libraries.many]
backend = "embedded"
data_dir = "{folder}/many"
[libraries.cloud]
backend = "rest"
base_url = "http://127.0.0.1:9"
credentials = [{{ api_key = "unused", secret_key = "unused-too" }}]
[libraries.theirs]
backend = "embedded"
data_dir = "{folder}/theirs"
[tenants.studio]
libraries = ["posters", "many", "cloud"]
api_keys = ["{key}"]
read_keys = ["{read}"]
quota = {{ requests_per_day = 1000000 }}
[tenants.others]
libraries = ["theirs"]
api_keys = ["{other}"]
[auth.jwt]
issuer = "{issuer}"
audience = ["{audience}"]
jwks_file = "{jwks}"
[limits]
lame_duck = "0s"
warmup_timeout = "0s"
"""
pb, Stub = stubs(ROOT / "proto")


def digest(key):
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


class Gateway:
    def __init__(self, binary, folder):
        self.binary, self.folder = pathlib.Path(binary).resolve(), folder
        self.grpc, self.rest, self.admin = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.origin = f"http://{self.grpc}"
        self.file = folder / "samegate.toml"
        self.issuer = Issuer(folder)
        self.configure(KEY)
        self.start()
        self.channel = grpc.insecure_channel(self.grpc)
        self.stub = Stub(self.channel)
        self.fill()

    def configure(self, key):
        keys = {"key": digest(key), "read": digest(READ_KEY), "other": digest(OTHER_KEY)}
        tokens = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": self.issuer.jwks}
        self.file.write_text(CONFIG.format(folder=self.folder, **keys, **tokens))

    def start(self):
        command = [self.binary, "serve", "--config", self.file]
        command += ["--grpc", self.grpc, "--rest", self.rest, "--admin", self.admin]
        with (self.folder / "gateway.log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_until_ready(self.process, self.admin)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        stopped = stop(self.process)
        self.process.kill()
        assert stopped, (self.folder / "gateway.log").read_text()[-2000:]

    def replace_key(self, key):
        """Makes this the only key of the tenant that may write, in the running gateway."""
        self.configure(key)
        self.process.send_signal(signal.SIGHUP)

        self.until(lambda: self.knows(key), "the key is known")

    def knows(self, key):
        try:
            return self.call("ListLibraries", pb.ListLibrariesRequest(), key)
        except grpc.RpcError:
            return False

    def call(self, method, request, key=KEY):
        return getattr(self.stub, method)(request, metadata=[("x-api-key", key)], wait_for_ready=True)

    def fill(self):
        """Adds the posters, oldest first, and a planted group: the fourth poster, a whole copy and a crop of it."""
        for seed in range(POSTERS):
            self.add(drawn.poster(seed), f"poster {seed:03}", [1 + seed % 5])
        original = drawn.poster(3)
        small = original.resize((original.width // 2, original.height // 2))
        self.add(small, "copy, half as wide", [9])
        self.add(original.crop((40, 30, original.width - 30, original.height - 40)), "copy, cropped", [9])

    def add(self, image, brief, tags=(), library="posters", kind="JPEG"):
        content = image if isinstance(image, bytes) else drawn.encoded(image, kind)
        request = pb.AddImageRequest(library=library, content=content, brief=brief, tags=tags)
        return self.call("AddImage", request).cont_sign

    def add_many(self, count):
        """Fills the library `many` with images without detail."""

        def items():
            yield pb.AddImagesRequest(options=pb.AddImagesOptions(library="many", max_in_flight=256, on_duplicate="ON_DUPLICATE_ACCEPT"))
            for number in range(count):
                item = pb.AddImagesItem(content=drawn.flat(number), brief=f"flat {number}")
                yield pb.AddImagesRequest(item=item)

        for event in self.call("AddImages", items()):
            if event.HasField("summary"):
                assert event.summary.failed == 0, event.summary

    def list(self, library="posters", **filters):
        request = pb.ListImagesRequest(library=library, page_size=1000, filter=pb.ImageFilter(**filters))
        return list(self.call("ListImages", request).images)

    def briefs(self, **filters):
        return [image.brief for image in self.list(**filters)]

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10) as response:
            return response.read().decode()

    def until(self, condition, what):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.05)
