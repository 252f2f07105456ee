"""The examples of the client packages, which are the same programs in each language.

Usage: examples.py GATEWAY_BINARY LANGUAGE

Examples print the same in all languages, so that they are checked alike: against gateways with an
embedded library and one at a vendor, that stop, die, reject, or are none.
"""

import contextlib
import http.server
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import images
from checks import check, run
from gateways import EMBEDDED, LIMIT_S, equal, gateway, gateway_with_certificates, wait_until
from names import dns_server
from ports import free_ports

ROOT = pathlib.Path(__file__).resolve().parents[3]
CLIENTS = ROOT / "clients"


def python(name):
    """Returns the command of an example."""
    return [sys.executable, CLIENTS / "python" / "examples" / f"{name}.py"]


def node(name):
    return ["node", CLIENTS / "node" / "examples" / f"{name}.mjs"]


def go(name):
    """Returns the command of an example, which `make client-go` builds."""
    return [ROOT / ".tools" / "go" / "examples" / name]


def java(name):
    """Returns the command of an example, which `make .tools/java-client` compiles."""
    # A class of the package has the name of one of the programs.
    program = {"duplicates": "find_duplicates"}.get(name, name)
    classes = os.pathsep.join(str(ROOT / ".tools/java-client" / each) for each in ("examples", "*"))
    return ["java", "-cp", classes, program.title().replace("_", "")]


def rust(name):
    """Returns the command of an example, which `cargo test` builds."""
    return [ROOT / "target" / "debug" / "examples" / name]


LANGUAGES = {"go": go, "java": java, "node": node, "python": python, "rust": rust}
language = sys.argv[2]
command_of = LANGUAGES[language]
# Pictures of a load that is interrupted when 20 are stored.
LOADED = 120
# Of the child process; PYTHONPATH leads to the package without an installation.
PATHS = [str(CLIENTS / "python" / "src"), os.environ.get("PYTHONPATH", "")]


def environment(key):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "SAMEGATE_API_KEY": key}


def example(name, *arguments, expected=0, key="writer"):
    """Runs an example; returns what it prints."""
    command = [*command_of(name), *arguments]
    done = subprocess.run(
        command, env=environment(key), capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == expected, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout if expected == 0 else done.stdout + done.stderr


@contextlib.contextmanager
def folder_of(count):
    """A folder of files that differ; searches are not what is tested, so they are one picture."""
    picture = images.png(1)
    with tempfile.TemporaryDirectory(prefix="samegate-pictures-") as folder:
        folder = pathlib.Path(folder)
        for number in range(count):
            # A decoder ignores what comes after the end of the picture.
            (folder / f"{number:03}.png").write_bytes(picture + b"%d" % number)
        yield folder


def loaded(folder):
    """Returns the lines of the journal that `load_folder` keeps."""
    journal = folder / ".loaded"
    return journal.read_text().splitlines() if journal.exists() else []


@check
def a_picture_is_added_and_found(binary):
    with gateway(binary) as started, folder_of(1) as folder:
        (folder / "b.bmp").write_bytes(images.bmp(1))
        arguments = (started.grpc, folder / "000.png", folder / "b.bmp")
        first, match = example("add_and_search", *arguments).splitlines()
        assert first.startswith("stored as ") and first.endswith(" now"), first
        assert "%  " in match and match.endswith("  000.png"), match
        assert example("add_and_search", *arguments).splitlines()[0].endswith(" before")


@check
def a_library_of_the_vendor_gives_the_same(binary):
    with gateway(binary) as vendor:
        library = (
            f'[libraries.default]\nbackend = "rest"\nbase_url = "http://{vendor.rest}"\n'
            'credentials = [{ api_key = "shop", secret_key = "its secret at the vendor" }]\n'
        )
        with gateway(binary, library) as started, folder_of(12) as folder:
            (folder / "b.bmp").write_bytes(images.bmp(1))
            found = example("add_and_search", started.grpc, folder / "000.png", folder / "b.bmp")
            assert found.splitlines()[1].endswith("  000.png"), found
            shown = example("load_folder", started.grpc, folder)
            assert "13 of 13, 0 failed" in shown, shown
            equal(example("libraries", started.grpc), "default ?\n")


@check
def a_file_that_is_no_picture_fails_alone_and_a_second_run_sends_the_rest(binary):
    with gateway(binary) as started, folder_of(2) as folder:
        (folder / "c.png").write_bytes(b"no picture")
        shown = example("load_folder", started.grpc, folder, expected=1)
        assert "3 to send, 0 stored by earlier runs" in shown, shown
        assert "3 of 3, 1 failed" in shown and "c.png: " in shown and "[IMAGE_FORMAT]" in shown, shown
        (folder / "c.png").unlink()
        (folder / "d.png").symlink_to("nothing")
        shown = example("load_folder", started.grpc, folder, expected=1)
        assert "1 to send, 2 stored" in shown and "[FILE_UNREADABLE]" in shown, shown


def interrupted_load(binary, how):
    """Ends the gateway in the middle of a bulk load and starts it again."""
    with gateway(binary) as started, folder_of(LOADED) as folder:
        command = [*command_of("load_folder"), started.grpc, folder]
        with subprocess.Popen(
            command, env=environment("writer"), stdout=subprocess.PIPE, text=True
        ) as load:
            wait_until(lambda: len(loaded(folder)) >= 20)
            started.end(how)
            started.start()
            shown, _ = load.communicate(timeout=LIMIT_S)
        equal(load.returncode, 0)
        assert f"{LOADED} of {LOADED}, 0 failed" in shown, shown
        equal(sorted(loaded(folder)), [f"{number:03}.png" for number in range(LOADED)])
        # Nothing is stored twice, nor less than acknowledged.
        assert f"0 to send, {LOADED} stored" in example("load_folder", started.grpc, folder)
        equal(example("libraries", started.grpc), f"default {LOADED}\n")


@check
def a_bulk_load_survives_a_gateway_that_is_killed(binary):
    interrupted_load(binary, signal.SIGKILL)


@check
def a_bulk_load_survives_a_gateway_that_drains(binary):
    interrupted_load(binary, signal.SIGTERM)


@check
def duplicates_are_found_and_the_cursor_selects_what_is_new(binary):
    with gateway(binary) as started, folder_of(1) as folder:
        (folder / "b.bmp").write_bytes(images.bmp(1))
        example("load_folder", started.grpc, folder)
        groups = example("duplicates", started.grpc)
        assert "2 pictures; the largest is " in groups, groups
        assert "compared 2; next time from " in groups, groups
        cursor = groups.split()[-1]
        equal(example("duplicates", started.grpc, cursor).split(";")[0], "compared 0")
        assert "cursor" in example("duplicates", started.grpc, "x", expected=1)


@check
def every_kind_of_error_is_explained(binary):
    with gateway(binary) as started, folder_of(1) as folder:
        stored, *shown = example("errors", started.grpc, folder / "000.png").splitlines()
        first, second = stored.removeprefix("stored as ").split()
        equal(first, second)
        reasons = [line.split(":")[0] for line in shown]
        equal(reasons[0], "IMAGE_FORMAT")
        assert "brief: " in shown[1] and "tags" in shown[1], shown[1]
        equal(reasons[2:], ["IMAGE_NOT_FOUND", "FILE_UNREADABLE"])


@check
def a_key_decides_what_is_allowed(binary):
    with gateway(binary) as started, folder_of(3) as folder:
        equal(example("libraries", started.grpc, key="reader"), "default 0\n")
        wrong = example("libraries", started.grpc, key="other", expected=1)
        assert "[CREDENTIALS_INVALID]" in wrong, wrong
        denied = example("load_folder", started.grpc, folder, key="reader", expected=1)
        assert "[READ_ONLY_KEY]" in denied, denied


@check
def a_client_certificate_names_the_tenant(binary):
    with gateway_with_certificates(binary) as started:
        files = [started.folder / name for name in ("ca.crt", "client.crt", "client.key")]
        equal(example("mtls", started.grpc, *files), "mine\n")


@contextlib.contextmanager
def replicas(binary):
    """Two gateways that have one name; the library of the second one has an image. Yields them and a target."""
    # Longer than the check, where health checks move the calls; grpc-js has none, and waits for the end.
    lame_duck = "1s" if language == "node" else "60s"
    settings = f'[limits]\nlame_duck = "{lame_duck}"\n{EMBEDDED}[listen]\nhosts = ["gateways.test"]\n'
    with dns_server(["127.0.0.1", "127.0.0.2"]) as dns, gateway(binary, settings) as one, folder_of(1) as folder:
        _, port = one.grpc.split(":")
        with gateway(binary, settings, grpc=f"127.0.0.2:{port}") as other:
            example("load_folder", other.grpc, folder)
            yield one, other, f"dns://{dns}/gateways.test:{port}"


@contextlib.contextmanager
def service_config(target, folder):
    """Runs the example; yields a function that lets it begin a call, and one that returns the response."""
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 gateways.test\n127.0.0.2 gateways.test\n")
    variables = {
        **environment("writer"),
        "GRPC_NODE_USE_ALTERNATIVE_RESOLVER": "true",  # That knows the DNS server of a target.
        "JAVA_TOOL_OPTIONS": f"-Djdk.net.hosts.file={hosts}",  # gRPC-Java ignores the DNS server.
    }
    command = [*command_of("service_config"), target, CLIENTS / "service_config.json"]
    with subprocess.Popen(
        command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield lambda: process.stdin.write("\n"), lambda: process.stdout.readline().strip()
        process.stdin.close()
        equal(process.wait(LIMIT_S), 0)


def a_service_config_lets_no_call_fail_when_gateways_drain_and_die(binary):
    with replicas(binary) as (one, other, target), service_config(target, one.folder) as (begin, response):

        def responses(count):
            """Makes calls; returns which gateways respond."""
            found = set()
            for _ in range(count):
                begin()
                found.add(response())
            assert found <= {"0 images", "1 images"}, found
            return found

        wait_until(lambda: len(responses(4)) == 2)
        one.process.send_signal(signal.SIGTERM)
        wait_until(lambda: responses(4) == {"1 images"})
        # It would still accept calls.
        assert language == "node" or one.process.poll() is None
        one.end(signal.SIGKILL)
        one.start()
        wait_until(lambda: len(responses(4)) == 2)
        other.end(signal.SIGKILL)
        equal(responses(4), {"0 images"})
        one.end(signal.SIGKILL)
        begin()
        other.start()
        equal(response(), "1 images")


def a_retry_policy_waits_as_long_as_the_gateway_asks_for(binary):
    quota = "quota = { requests_per_second = 2, burst = 1 }\n"
    with gateway(binary, tenant=quota) as started:
        with service_config(started.grpc, started.folder) as (begin, response):
            start = time.monotonic()
            for _ in range(4):
                begin()
                equal(response(), "0 images")
            assert time.monotonic() - start > 1.4


if language != "rust":  # tonic reads no service config.
    check(a_service_config_lets_no_call_fail_when_gateways_drain_and_die)
    check(a_retry_policy_waits_as_long_as_the_gateway_asks_for)


@check
def a_gateway_that_is_not_there_is_one_error(_):
    (port,) = free_ports(1)
    shown = example("libraries", f"127.0.0.1:{port}", expected=1)
    assert "[UNAVAILABLE]" in shown or "[DEADLINE_EXCEEDED]" in shown, shown


@check
def a_server_that_speaks_http_1_is_one_error(_):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shown = example("libraries", f"127.0.0.1:{server.server_port}", expected=1)
    assert any(f"[{name}]" in shown for name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL")), shown
    server.shutdown()


if __name__ == "__main__":
    run(sys.argv[1])
