"""Google's Python client, made from the .proto file only.

Usage: grpc_client.py HOST:PORT PROTO_FOLDER

The checks call every RPC, read each type of error detail with grpcio-status, and
call health and reflection with Google's own stubs. The library is empty at the
start and at the end, because later clients need an empty library.
"""

import sys
import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

import images
from checks import check, run
from contract import details, stubs

SERVICE = "samegate.v1.SameImageService"
RPCS = {
    "AddImage",
    "AddImages",
    "SearchImages",
    "UpdateImage",
    "DeleteImages",
    "GetLibrary",
    "ListImages",
    "GetImage",
    "ListTags",
    "ListLibraries",
    "CompareImages",
    "BulkSearchImages",
    "FindDuplicates",
    "GetState",
}
TIMEOUT_S = 30
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


class Client:
    """The stub, its messages, and the signs of the images that earlier checks added."""

    def __init__(self, target, pb, stub_type):
        self.channel = grpc.insecure_channel(target)
        self.pb = pb
        self.stub = stub_type(self.channel)
        self.signs = []

    def call(self, name, **fields):
        request = getattr(self.pb, f"{name}Request")(**fields)
        return getattr(self.stub, name)(request, timeout=TIMEOUT_S)

    def rejected(self, code, name, **fields):
        """Calls, expects an error, and returns its message and details."""
        try:
            self.call(name, **fields)
        except grpc.RpcError as error:
            equal(error.code(), code)
            return error.details(), details(error)
        raise AssertionError(f"{name} was not rejected")


@check
def health_reports_serving(client):
    health = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", SERVICE):
        response = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)
        equal(response.status, health_pb2.HealthCheckResponse.SERVING)


@check
def reflection_describes_every_rpc(client):
    database = ProtoReflectionDescriptorDatabase(client.channel)
    assert SERVICE in database.get_services(), database.get_services()
    described = database.FindFileContainingSymbol(SERVICE)
    (service,) = described.service
    equal({method.name for method in service.method}, RPCS)


@check
def add_image_stores_an_image(client):
    response = client.call("AddImage", content=images.png(100), brief="shop/100", tags=[1, 2])
    assert response.cont_sign and not response.existed, response
    client.signs.append(response.cont_sign)


@check
def add_image_rejects_the_same_bytes_and_returns_their_sign(client):
    same = {"content": images.png(100), "brief": "again"}
    _, found = client.rejected(grpc.StatusCode.ALREADY_EXISTS, "AddImage", **same)
    info = found["ErrorInfo"]
    equal((info.domain, info.reason), ("samegate", "IMAGE_ALREADY_EXISTS"))
    equal(info.metadata["cont_sign"], client.signs[0])


@check
def add_image_accepts_the_same_bytes_on_request(client):
    accept = client.pb.ON_DUPLICATE_ACCEPT
    response = client.call("AddImage", content=images.png(100), brief="again", on_duplicate=accept)
    equal((response.existed, response.cont_sign), (True, client.signs[0]))


@check
def an_invalid_request_lists_all_its_fields(client):
    invalid = {"content": images.png(101), "brief": "b" * 257, "tags": [1, 2, 3]}
    _, found = client.rejected(grpc.StatusCode.INVALID_ARGUMENT, "AddImage", **invalid)
    fields = {violation.field for violation in found["BadRequest"].field_violations}
    equal(fields, {"brief", "tags"})
    equal(found["ErrorInfo"].domain, "samegate")


@check
def a_missing_image_is_an_invalid_request(client):
    _, found = client.rejected(grpc.StatusCode.INVALID_ARGUMENT, "SearchImages")
    assert found["BadRequest"].field_violations, found


@check
def an_unknown_library_is_not_found(client):
    unknown = {"content": images.png(100), "library": "unknown"}
    _, found = client.rejected(grpc.StatusCode.NOT_FOUND, "SearchImages", **unknown)
    equal(found["ErrorInfo"].reason, "LIBRARY_NOT_FOUND")


@check
def add_images_returns_a_result_for_each_item_and_a_summary(client):
    pb = client.pb
    items = {f"key-{seed}": images.png(seed) for seed in range(101, 109)}
    items["key-invalid"] = b"not an image"
    results, summary = stream(client, items)

    equal(set(results), set(items))
    invalid = results.pop("key-invalid").status
    equal(invalid.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
    equal(invalid.reason, "IMAGE_FORMAT")
    for key, result in results.items():
        equal((key, result.status.code, result.existed), (key, 0, False))
        client.signs.append(result.cont_sign)
    equal(summary, pb.AddImagesCounts(received=9, added=8, failed=1))


@check
def add_images_is_idempotent(client):
    again = {f"key-{seed}": images.png(seed) for seed in range(107, 110)}
    results, summary = stream(client, again, client.pb.ON_DUPLICATE_ACCEPT)

    existed = {key for key, result in results.items() if result.existed}
    equal(existed, {"key-107", "key-108"})
    equal(summary, client.pb.AddImagesCounts(received=3, added=1, existed=2))
    client.signs.append(results["key-109"].cont_sign)


@check
def add_images_returns_results_while_the_client_still_sends(client):
    pb = client.pb
    received = threading.Event()

    def requests():
        yield pb.AddImagesRequest(options=pb.AddImagesOptions())
        yield pb.AddImagesRequest(item=pb.AddImagesItem(key="only", content=b"not an image"))
        assert received.wait(TIMEOUT_S), "no response before the end of the requests"

    responses = client.stub.AddImages(requests(), timeout=TIMEOUT_S)
    equal(next(responses).result.key, "only")
    received.set()
    (summary,) = responses
    equal(summary.summary, pb.AddImagesCounts(received=1, failed=1))


@check
def search_images_finds_the_same_bytes_with_score_1(client):
    response = client.call("SearchImages", content=images.png(100))
    best = response.matches[0]
    equal((best.cont_sign, best.brief, best.score), (client.signs[0], "shop/100", 1.0))
    equal(list(best.tags), [1, 2])


@check
def search_images_finds_the_same_image_in_another_format(client):
    response = client.call("SearchImages", content=images.bmp(100))
    equal(response.matches[0].cont_sign, client.signs[0])


@check
def requests_in_gzip_are_served(client):
    gzip = {"timeout": TIMEOUT_S, "compression": grpc.Compression.Gzip}
    request = client.pb.SearchImagesRequest(content=images.bmp(100))
    response = client.stub.SearchImages(request, **gzip)
    equal(response.matches[0].cont_sign, client.signs[0])
    health = health_pb2_grpc.HealthStub(client.channel)
    response = health.Check(health_pb2.HealthCheckRequest(service=SERVICE), **gzip)
    equal(response.status, health_pb2.HealthCheckResponse.SERVING)


@check
def search_images_filters_by_tag_and_window(client):
    query = {"content": images.png(100)}
    equal(len(client.call("SearchImages", tags=[7], **query).matches), 0)
    both = client.call("SearchImages", tags=[7, 1], tag_logic=client.pb.TAG_LOGIC_OR, **query)
    equal(both.matches[0].cont_sign, client.signs[0])
    one = client.call("SearchImages", limit=1, **query)
    equal(len(one.matches), 1)
    signs = [match.cont_sign for match in client.call("SearchImages", offset=1, **query).matches]
    assert client.signs[0] not in signs, signs


@check
def an_image_is_added_only_if_no_other_file_of_it_is_stored(client):
    new = {"content": images.bmp(100), "on_match": client.pb.ON_MATCH_REJECT}
    _, found = client.rejected(grpc.StatusCode.ALREADY_EXISTS, "AddImage", **new)
    equal(found["ErrorInfo"].reason, "SAME_IMAGE_EXISTS")
    equal(found["ErrorInfo"].metadata["cont_sign"], client.signs[0])
    equal(found["SameImages"].matches[0].cont_sign, client.signs[0])


@check
def search_images_with_a_sign_finds_others_only(client):
    response = client.call("SearchImages", cont_sign=client.signs[0])
    assert client.signs[0] not in [match.cont_sign for match in response.matches], response


@check
def bulk_search_images_returns_a_result_for_each_query(client):
    pb = client.pb

    def requests():
        yield pb.BulkSearchImagesRequest(options=pb.BulkSearchImagesOptions(limit=1))
        for key, content in {"stored": images.bmp(100), "new": images.png(999)}.items():
            item = pb.BulkSearchImagesItem(key=key, content=content)
            yield pb.BulkSearchImagesRequest(item=item)

    *events, last = client.stub.BulkSearchImages(requests(), timeout=TIMEOUT_S)
    found = {event.result.key: event.result.matches for event in events}
    equal(found["stored"][0].cont_sign, client.signs[0])
    equal(len(found["new"]), 0)
    equal(last.summary, pb.BulkSearchImagesCounts(received=2, matched=1, unmatched=1))


@check
def compare_images_returns_a_score(client):
    image = client.pb.ComparedImage
    first = image(content=images.bmp(100))
    same = client.call("CompareImages", first=first, second=image(cont_sign=client.signs[0]))
    other = client.call("CompareImages", first=first, second=image(content=images.png(999)))
    assert same.score > 0.75 and same.hash_distance <= 31, same
    equal((other.score, other.HasField("geometry")), (0, False))


@check
def search_images_finds_no_unknown_image(client):
    equal(len(client.call("SearchImages", content=images.png(999)).matches), 0)


@check
def update_image_changes_only_the_fields_of_the_request(client):
    client.call("UpdateImage", cont_sign=client.signs[0], brief="new")
    image = client.call("GetImage", cont_sign=client.signs[0]).image
    equal((image.brief, list(image.tags)), ("new", [1, 2]))
    client.call("UpdateImage", content=images.png(100), tags=client.pb.TagList(values=[9]))
    image = client.call("GetImage", cont_sign=client.signs[0]).image
    equal((image.brief, list(image.tags)), ("new", [9]))


@check
def get_image_returns_record_and_thumbnail(client):
    image = client.call("GetImage", cont_sign=client.signs[0]).image
    equal((image.width, image.height), (images.WIDTH, images.HEIGHT))
    equal(image.size_bytes, len(images.png(100)))
    assert image.thumbnail_jpeg.startswith(b"\xff\xd8"), image.thumbnail_jpeg[:4]
    assert not image.preview_jpeg
    image = client.call("GetImage", cont_sign=client.signs[0], preview=True).image
    assert image.preview_jpeg.startswith(b"\xff\xd8"), image.preview_jpeg[:4]
    assert image.add_time.seconds > 1_700_000_000, image.add_time


@check
def get_image_does_not_find_an_unknown_sign(client):
    _, found = client.rejected(grpc.StatusCode.NOT_FOUND, "GetImage", cont_sign="1,1")
    equal(found["ErrorInfo"].reason, "IMAGE_NOT_FOUND")


@check
def get_library_returns_the_number_of_images(client):
    library = client.call("GetLibrary")
    equal((library.library, library.image_count), ("default", len(client.signs)))
    equal(library.image_capacity, 500_000)


@check
def list_images_returns_all_images_in_pages(client):
    listed, token = [], ""
    while True:
        page = client.call("ListImages", page_size=4, page_token=token)
        assert 0 < len(page.images) <= 4, len(page.images)
        listed += [image.cont_sign for image in page.images]
        token = page.next_page_token
        if not token:
            break
    equal(len(listed), len(client.signs))
    equal(set(listed), set(client.signs))


@check
def list_images_has_order_filter_and_thumbnails(client):
    pb = client.pb
    newest = client.call("ListImages", order=pb.LIST_ORDER_NEWEST_FIRST, thumbnails=True)
    equal([image.cont_sign for image in newest.images][::-1], listed(client))
    assert newest.images[0].thumbnail_jpeg.startswith(b"\xff\xd8")
    equal(newest.total, len(client.signs))
    none = pb.ImageFilter(brief_contains="no such text")
    filtered = client.call("ListImages", filter=none)
    equal((len(filtered.images), filtered.HasField("total")), (0, False))


@check
def a_page_token_belongs_to_its_order(client):
    token = client.call("ListImages", page_size=1).next_page_token
    other = {"page_token": token, "order": client.pb.LIST_ORDER_NEWEST_FIRST}
    _, found = client.rejected(grpc.StatusCode.INVALID_ARGUMENT, "ListImages", **other)
    equal([found.field for found in found["BadRequest"].field_violations], ["page_token"])


@check
def list_tags_counts_images(client):
    images_of_tags = [count.image_count for count in client.call("ListTags").tags]
    assert all(0 < images <= len(client.signs) for images in images_of_tags), images_of_tags


@check
def list_libraries_says_what_each_can_do(client):
    (library,) = client.call("ListLibraries").libraries
    equal((library.library, library.backend), ("default", "embedded"))
    equal(library.image_count, len(client.signs))
    assert client.pb.CAPABILITY_LIST in library.capabilities, library


@check
def delete_images_by_filter_counts_first(client):
    everything = {"filter": client.pb.ImageFilter()}
    dry = client.call("DeleteImages", dry_run=True, **everything)
    equal((dry.matched_count, dry.deleted_count), (len(client.signs), 0))
    equal(list(dry.matched_cont_signs), listed(client))
    wrong = {"expected_count": dry.matched_count + 1, **everything}
    _, found = client.rejected(grpc.StatusCode.FAILED_PRECONDITION, "DeleteImages", **wrong)
    equal(found["ErrorInfo"].reason, "COUNT_MISMATCH")


@check
def find_duplicates_compares_all_images_and_ends_with_a_cursor(client):
    request = client.pb.FindDuplicatesRequest(min_score=0.99)
    *events, last = client.stub.FindDuplicates(request, timeout=TIMEOUT_S)
    equal([event for event in events if event.WhichOneof("event") == "group"], [])
    equal(last.progress.compared, last.progress.total)
    equal(last.progress.total, client.call("GetLibrary").image_count)
    equal(bool(last.progress.cursor), True)


@check
def get_state_shows_the_tenants_libraries_and_last_calls(client):
    state = client.call("GetState")
    equal([library.library for library in state.libraries], ["default"])
    equal(state.libraries[0].image_count, client.call("GetLibrary").image_count)
    equal(state.tenant, "local")
    assert any(call.method == f"{SERVICE}/FindDuplicates" for call in state.calls), state.calls


@check
def a_message_over_the_limit_is_resource_exhausted(client):
    huge = {"content": b"\0" * (MAX_MESSAGE_BYTES + 1)}
    client.rejected(grpc.StatusCode.RESOURCE_EXHAUSTED, "SearchImages", **huge)


@check
def an_image_over_the_limit_is_an_invalid_request(client):
    large = {"content": images.png(100) + b"\0" * (7 * 1024 * 1024)}
    _, found = client.rejected(grpc.StatusCode.INVALID_ARGUMENT, "SearchImages", **large)
    equal(found["ErrorInfo"].reason, "IMAGE_SIZE")


@check
def an_expired_deadline_is_deadline_exceeded(client):
    request = client.pb.SearchImagesRequest(content=images.png(100))
    try:
        client.stub.SearchImages(request, timeout=0.000001)
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    else:
        raise AssertionError("the call succeeded")


@check
def delete_images_returns_an_outcome_for_each_sign(client):
    signs = [*client.signs[1:], "1,1"]
    response = client.call("DeleteImages", cont_signs=client.pb.ContSignList(values=signs))
    equal([result.cont_sign for result in response.results], signs)
    codes = [result.status.code for result in response.results]
    equal(codes[:-1], [0] * (len(signs) - 1))
    equal(codes[-1], grpc.StatusCode.NOT_FOUND.value[0])


@check
def delete_images_accepts_the_image_itself(client):
    response = client.call("DeleteImages", content=images.png(100))
    equal([result.status.code for result in response.results], [0])
    deleted = {"content": images.png(100)}
    client.rejected(grpc.StatusCode.NOT_FOUND, "DeleteImages", **deleted)
    equal(client.call("GetLibrary").image_count, 0)


def listed(client):
    """Returns the signs of all images, oldest first."""
    return [image.cont_sign for image in client.call("ListImages").images]


def stream(client, items, on_duplicate=0):
    """Loads items; returns the results by key, and the summary."""
    pb = client.pb

    def requests():
        options = pb.AddImagesOptions(on_duplicate=on_duplicate, max_in_flight=2)
        yield pb.AddImagesRequest(options=options)
        for key, content in items.items():
            item = pb.AddImagesItem(key=key, content=content, brief=key)
            yield pb.AddImagesRequest(item=item)

    *events, last = client.stub.AddImages(requests(), timeout=TIMEOUT_S)
    equal(last.WhichOneof("event"), "summary")
    results = [event.result for event in events if event.WhichOneof("event") == "result"]
    by_key = {result.key: result for result in results}
    equal(len(by_key), len(results))
    return by_key, last.summary


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def main(target, proto):
    pb, stub = stubs(proto)
    run(Client(target, pb, stub))


if __name__ == "__main__":
    main(*sys.argv[1:])
