"""The Python package of `clients/python`, against gateways that stop, die and reject.

Usage: package.py GATEWAY_BINARY

Each check starts what it needs. Examples have checks of their own, in `examples.py`.
"""

import contextlib
import http.server
import io
import json
import os
import pathlib
import pickle
import queue
import re
import signal
import sys
import tempfile
import threading

import grpc
import grpc_tools

import images
from checks import check, run
from gateways import EMBEDDED, LIMIT_S, equal, gateway, wait_until
from ports import free_ports

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "clients" / "python"
sys.path.insert(0, str(PACKAGE / "src"))
from samegate import Client, Item, SamegateError, Sign, Url  # noqa: E402
from samegate.v1 import same_image_pb2 as pb  # noqa: E402
import retries  # noqa: E402, F401  (registers its checks)
from rejecting import rejected, rejecting  # noqa: E402


def client_of(started, key="writer", **options):
    return Client(started.grpc, api_key=key, **options)


def items(count):
    """Makes images that differ; searches are not what is tested, so they are one picture."""
    picture = images.png(1)
    # A decoder ignores what comes after the end of the picture.
    return [Item(picture + b"%d" % number, brief=f"n/{number}") for number in range(count)]


@check
def an_image_is_added_found_changed_and_deleted(binary):
    with gateway(binary) as started, client_of(started) as client:
        assert client.is_serving()
        sign = client.add(images.png(1), brief="one", tags=[7]).cont_sign
        client.add(images.png(2), brief="two")
        path = started.folder / "one.bmp"
        path.write_bytes(images.bmp(1))

        (match,) = client.search(path).matches
        equal((match.cont_sign, match.brief), (sign, "one"))
        assert client.compare(images.png(1), Sign(sign)).score > 0.9
        client.update(sign, brief="new", tags=[])
        equal(client.get(sign).brief, "new")
        equal([image.brief for image in client.images(page_size=1)], ["new", "two"])
        equal(client.info().image_count, 2)
        equal([library.library for library in client.libraries()], ["default"])
        equal(client.state().tenant, "shop")
        equal([result.status.code for result in client.delete([sign, "1,1"]).results], [0, 5])
        equal(client.info().image_count, 1)


@check
def a_record_has_its_thumbnail_and_on_request_its_preview(binary):
    with gateway(binary) as started, client_of(started) as client:
        sign = client.add(images.png(1)).cont_sign
        plain, image = client.get(sign), client.get(sign, preview=True)
        equal((plain.preview_jpeg, image.thumbnail_jpeg), (b"", plain.thumbnail_jpeg))
        assert image.preview_jpeg.startswith(b"\xff\xd8"), image.preview_jpeg[:9]
        assert len(image.preview_jpeg) > len(image.thumbnail_jpeg), len(image.preview_jpeg)


@check
def an_error_names_reason_fields_and_the_stored_image(binary):
    with gateway(binary) as started, client_of(started) as client:
        sign = client.add(images.png(1)).cont_sign

        same = rejected(client.add, images.png(1))
        equal((same.code, same.reason), (grpc.StatusCode.ALREADY_EXISTS, "IMAGE_ALREADY_EXISTS"))
        equal((same.cont_sign, same.is_transient), (sign, False))
        match = rejected(client.add, images.bmp(1), on_match=pb.ON_MATCH_REJECT)
        equal((match.reason, [found.cont_sign for found in match.matches]), ("SAME_IMAGE_EXISTS", [sign]))
        invalid = rejected(client.add, images.png(2), brief="b" * 257, tags=[1, 2, 3])
        equal({violation.field for violation in invalid.violations}, {"brief", "tags"})
        equal(rejected(client.search, Url("ftp://x/y")).code, grpc.StatusCode.INVALID_ARGUMENT)
        equal(rejected(client.get, "1,1").reason, "IMAGE_NOT_FOUND")
        with client_of(started, library="none") as other:
            equal(rejected(other.info).reason, "LIBRARY_NOT_FOUND")
        missing = rejected(client.search, started.folder / "none.jpg")
        equal((missing.code, missing.reason), (None, "FILE_UNREADABLE"))


@check
def an_error_can_be_sent_to_another_process(binary):
    with gateway(binary) as started, client_of(started) as client:
        client.add(images.png(1))
        error = rejected(client.add, images.png(1), brief="b" * 257)
        copy = pickle.loads(pickle.dumps(error))
        equal((str(copy), copy.code, copy.violations), (str(error), error.code, error.violations))


@check
def a_key_decides_what_is_allowed(binary):
    with gateway(binary) as started:
        with client_of(started, "other") as client:
            equal(rejected(client.info).reason, "CREDENTIALS_INVALID")
        with client_of(started, lambda: "reader") as client:
            equal(client.info().image_count, 0)
            equal(rejected(client.add, images.png(1)).reason, "READ_ONLY_KEY")
            error = rejected(list, client.add_all(items(3)))
            equal(error.reason, "READ_ONLY_KEY")
        with client_of(started, "secret\n") as client:
            try:
                client.info()
            except ValueError as error:
                assert "secret" not in str(error), error
            else:
                raise AssertionError("a header has no line breaks")


@check
def a_bulk_load_gives_one_outcome_for_each_item(binary):
    with gateway(binary) as started, client_of(started) as client:
        bad = [Item(b"no image"), Item(started.folder / "none.jpg"), Item(images.png(3), brief="x" * 257)]
        loaded = list(client.add_all([*items(5), *bad]))

        equal(len(loaded), 8)
        reasons = {id(outcome.item): outcome.error and outcome.error.reason for outcome in loaded}
        equal([reasons[id(item)] for item in bad], ["IMAGE_FORMAT", "FILE_UNREADABLE", "PARAMETER_TOO_LONG"])
        equal(sum(error is None for error in reasons.values()), 5)
        equal(client.info().image_count, 5)


@check
def an_error_of_the_callers_iterator_comes_after_the_outcomes(binary):
    def failing():
        yield from items(3)
        raise KeyError("mine")

    with gateway(binary) as started, client_of(started) as client:
        outcomes = []
        try:
            outcomes.extend(client.add_all(failing()))
        except KeyError:
            pass
        else:
            raise AssertionError("the error is lost")
        equal(client.info().image_count, 3)


@check
def an_iterator_that_ends_the_program_ends_the_run(binary):
    def leaving():
        yield from items(3)
        sys.exit("mine")

    with gateway(binary) as started, client_of(started) as client:
        try:
            list(client.add_all(leaving()))
        except SystemExit as error:
            equal(error.code, "mine")
        else:
            raise AssertionError("the error is lost")


@check
def what_is_no_item_is_one_outcome_and_the_iterable_may_wait_for_outcomes(binary):
    with gateway(binary) as started, client_of(started) as client:
        seen = queue.SimpleQueue()

        def one_by_one():
            for item in [*items(2), started.folder / "none.jpg", Item(started.folder / "none.jpg"), *items(3)[2:]]:
                yield item
                assert seen.get(timeout=LIMIT_S)

        reasons = []
        for outcome in client.add_all(one_by_one(), max_in_flight=0):
            reasons.append(outcome.error and outcome.error.reason)
            seen.put(True)
        equal(reasons, [None, None, "INVALID_ITEM", "FILE_UNREADABLE", None])


@check
def files_that_cannot_be_read_are_not_kept_in_memory(binary):
    with gateway(binary) as started, client_of(started) as client:
        taken = []

        def unreadable():
            for number in range(500):
                taken.append(number)
                yield Item(started.folder / f"{number}.jpg")

        load = client.add_all(unreadable())
        next(load)
        assert len(taken) < 40, len(taken)
        equal(len(list(load)), 499)


def interrupted_load(binary, how):
    """Ends the gateway in the middle of a bulk load and starts it again."""
    with gateway(binary) as started, client_of(started) as client:
        outcomes = []
        for outcome in client.add_all(items(300), max_in_flight=4):
            outcomes.append(outcome)
            if len(outcomes) == 20:
                started.end(how)
                started.start()

        equal([outcome.error for outcome in outcomes if outcome.error], [])
        equal({outcome.item.brief for outcome in outcomes}, {f"n/{n}" for n in range(300)})
        equal(len(outcomes), 300)
        equal(sorted(image.brief for image in client.images()), sorted(f"n/{n}" for n in range(300)))


@check
def a_bulk_load_survives_a_gateway_that_is_killed(binary):
    interrupted_load(binary, signal.SIGKILL)


@check
def a_bulk_load_survives_a_gateway_that_drains(binary):
    interrupted_load(binary, signal.SIGTERM)


@check
def a_caller_that_stops_reading_ends_the_bulk_load(binary):
    with gateway(binary) as started, client_of(started) as client:
        load = client.add_all(items(2000), max_in_flight=4)
        next(load)
        load.close()
        # The gateway lists a call when it has ended.
        wait_until(lambda: any(call.method.endswith("AddImages") for call in client.state().calls))
        assert client.info().image_count < 20, client.info().image_count


@check
def a_bulk_search_finds_the_matches_of_each_query(binary):
    with gateway(binary) as started, client_of(started) as client:
        signs = [client.add(images.png(seed)).cont_sign for seed in range(3)]
        queries = [images.bmp(0), images.bmp(2), images.bmp(9), Sign(signs[1])]
        found = {id(one.item): one for one in client.search_all(queries)}
        matches = [[match.cont_sign for match in found[id(q)].result.matches] for q in queries]
        equal(matches, [[signs[0]], [signs[2]], [], []])


@check
def duplicates_are_found_and_the_cursor_selects_what_is_new(binary):
    with gateway(binary) as started, client_of(started) as client:
        signs = {client.add(images.png(1)).cont_sign, client.add(images.bmp(1)).cont_sign}
        client.add(images.png(2))
        duplicates = client.find_duplicates()
        (group,) = duplicates
        equal({image.cont_sign for image in group.images}, signs)
        equal((duplicates.compared, duplicates.total), (3, 3))
        equal(list(client.find_duplicates(cursor=duplicates.cursor)), [])
        invalid = rejected(list, client.find_duplicates(cursor="x"))
        equal(invalid.violations[0].field, "cursor")


@check
def a_gateway_that_is_not_there_is_one_error(_):
    (port,) = free_ports(1)
    with Client(f"127.0.0.1:{port}", timeout=5) as client:
        error = rejected(client.info)
        assert error.is_transient, error
        unavailable = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert error.code in unavailable, error


@check
def a_gateway_that_drains_is_called_until_it_closes_unless_its_health_is_checked(binary):
    with (
        gateway(binary, f'[limits]\nlame_duck = "{2 * LIMIT_S}s"\n{EMBEDDED}') as started,
        client_of(started) as client,
        client_of(started, health_checks=True) as checking,
    ):
        client.info()
        checking.info()
        started.process.send_signal(signal.SIGTERM)
        # The health service and the channel learn of it apart from each other.
        wait_until(lambda: is_unavailable(checking))
        assert not checking.is_serving()
        client.info()


def is_unavailable(client):
    try:
        client.info()
    except SamegateError as error:
        return error.code == grpc.StatusCode.UNAVAILABLE
    return False


@check
def an_item_that_keeps_failing_is_sent_three_times_and_holds_nothing_up(_):
    with rejecting() as (client, served):
        outcomes = list(client.add_all(items(2)))
        equal([outcome.error.reason for outcome in outcomes], ["VENDOR_UNAVAILABLE"] * 2)
        equal(sorted(served.calls), ["0"] * 3 + ["1"] * 3)


@check
def duplicates_go_on_from_their_cursor(_):
    with rejecting() as (client, served):
        equal(len(list(client.find_duplicates())), 1)
        equal(served.calls, ["", "half"])


@check
def a_server_that_speaks_http_1_is_one_error(_):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Client(f"127.0.0.1:{server.server_port}", timeout=3) as client:
        assert rejected(client.info).code in {
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        }
    server.shutdown()


@check
def the_code_of_the_page_and_the_readme_runs(binary):
    for page in (ROOT / "docs" / "clients" / "python.md", PACKAGE / "README.md"):
        with gateway(binary) as started, client_of(started) as client:
            files = {name: started.folder / name for name in ("ca", "certificate", "private_key", "picture")}
            for file in files.values():
                file.write_bytes(images.png(2))
            for name in ("poster.jpg", "photo.jpg", "stock/one.jpg"):
                (started.folder / name).parent.mkdir(exist_ok=True)
                (started.folder / name).write_bytes(images.png(1))
            # What the page takes for granted.
            kept = []
            names = {**files, "key": "writer", "token": lambda: "writer", "keep": kept.append}
            blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)
            with working_directory(started.folder), contextlib.redirect_stdout(io.StringIO()) as printed:
                for block in blocks:
                    own = block.replace("localhost:50051", started.grpc).replace('"…"', '"writer"')
                    exec(compile(own, page.name, "exec"), {**names, "samegate": client, "pathlib": pathlib})
            assert "1.0 poster 7\n" in printed.getvalue(), printed.getvalue()
            equal(len(kept), int(page.name == "python.md"))


@contextlib.contextmanager
def working_directory(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@check
def the_service_config_names_each_unary_method_once(_):
    config = json.loads((ROOT / "clients" / "service_config.json").read_text())
    service = pb.DESCRIPTOR.services_by_name["SameImageService"]
    unary = [each.name for each in service.methods if not each.client_streaming and not each.server_streaming]
    names = [name for methods in config["methodConfig"] for name in methods["name"]]
    equal({name["service"] for name in names}, {service.full_name})
    equal(sorted(name["method"] for name in names), sorted(unary))


@check
def the_generated_messages_are_those_of_the_contract(_):
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory(prefix="samegate-stubs-") as folder:
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        file = "samegate/v1/same_image.proto"
        command = ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", *outputs, file]
        equal(protoc.main(command), 0)
        for made in pathlib.Path(folder).rglob("*.py*"):
            kept = PACKAGE / "src" / made.relative_to(folder)
            assert made.read_text() == kept.read_text(), f"`make stubs`: {kept.name} is another"


if __name__ == "__main__":
    run(sys.argv[1])
