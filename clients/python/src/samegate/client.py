"""The client: one channel to a gateway, or to all its replicas."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional, Union

import grpc
from google.protobuf import timestamp_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from . import bulk
from .duplicates import Duplicates
from .errors import SamegateError
from .images import Image, source
from .v1 import same_image_pb2 as pb
from .v1 import same_image_pb2_grpc

SERVICE = "samegate.v1.SameImageService"
KEEPALIVE_MS = 60_000
#: gRPC's own limit is 2 minutes, for which calls fail after a gateway is back.
MAX_RECONNECT_BACKOFF_MS = 5_000
#: gRPC sends a request again by itself that no gateway has read, such as one over a connection that
#: closes, unless it is larger: by default 256 KiB, less than a photo.
RETRY_BUFFER_BYTES = 64 * 1024 * 1024

#: Times that a call is sent, and the first backoff, unless the gateway asks for a longer wait.
CALL_ATTEMPTS = 4
CALL_BACKOFF_S = 0.2

#: Requests of methods that are sent again also after UNAVAILABLE, which may come after the gateway has
#: done its work. RESOURCE_EXHAUSTED of a gateway never does, so every request is sent again after it.
IDEMPOTENT = frozenset(
    [
        pb.SearchImagesRequest,
        pb.UpdateImageRequest,
        pb.GetLibraryRequest,
        pb.ListImagesRequest,
        pb.GetImageRequest,
        pb.ListTagsRequest,
        pb.ListLibrariesRequest,
        pb.CompareImagesRequest,
        pb.GetStateRequest,
    ]
)

#: Calls go to all addresses of a name, one after the other. It has no retry policy: gRPC would begin a
#: wait that ends after the deadline, and its DEADLINE_EXCEEDED would hide why the gateway has rejected
#: the call.
SERVICE_CONFIG = {"loadBalancingConfig": [{"round_robin": {}}]}
HEALTH_CHECKS = {"healthCheckConfig": {"serviceName": SERVICE}}


@dataclasses.dataclass(frozen=True)
class Tls:
    """Files in PEM format. Default: the system's certificate authorities, no client certificate."""

    ca: Optional[pathlib.Path] = None
    certificate: Optional[pathlib.Path] = None
    key: Optional[pathlib.Path] = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files."""
        read = [path and path.read_bytes() for path in (self.ca, self.key, self.certificate)]
        return grpc.ssl_channel_credentials(*read)


class Client:
    """A client of one gateway. Thread-safe; close it, or use it in a `with` statement.

    `target` is HOST:PORT, or `dns:///NAME:PORT` for all addresses of a name. `api_key` is a key or a
    token, or a function that returns the present one. `library` is that of every call; empty is the
    tenant's first one. `timeout` in seconds limits each call, its retries included; a method takes
    another one for its call. Streams have none.
    With `health_checks`, an address whose gateway is not serving gets no call: not for a proxy, where the
    health of one gateway would count for all.
    Every method raises SamegateError.
    """

    def __init__(
        self,
        target: str,
        *,
        api_key: Union[str, Callable[[], str], None] = None,
        library: str = "",
        timeout: float = 30.0,
        tls: Optional[Tls] = None,
        health_checks: bool = False,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._api_key = api_key
        self._library = library
        self._timeout = timeout
        self._is_closed = threading.Event()
        config = SERVICE_CONFIG | (HEALTH_CHECKS if health_checks else {})
        options = [
            ("grpc.service_config", json.dumps(config)),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_BACKOFF_MS),
            ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
            *options,
        ]
        if tls is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, tls.credentials(), options)
        self._stub = same_image_pb2_grpc.SameImageServiceStub(self._channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that run fail, also those that wait for a retry."""
        self._is_closed.set()
        self._channel.close()

    def is_serving(self, *, timeout: Optional[float] = None) -> bool:
        """Asks the health service; False also for a gateway that is not there."""
        stub = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        try:
            response = self._call(stub.Check, request, timeout)
        except SamegateError as error:
            # With health checks the channel itself leaves out a gateway that is not serving.
            if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return False
            raise
        return response.status == health_pb2.HealthCheckResponse.SERVING

    def add(
        self,
        image: Image,
        *,
        brief: str = "",
        tags: Sequence[int] = (),
        on_duplicate: int = pb.ON_DUPLICATE_UNSPECIFIED,
        on_match: int = pb.ON_MATCH_UNSPECIFIED,
        match_score: float = 0.0,
        timeout: Optional[float] = None,
    ) -> pb.AddImageResponse:
        """Adds one image. By default the same bytes are rejected with IMAGE_ALREADY_EXISTS."""
        request = pb.AddImageRequest(
            library=self._library,
            brief=brief,
            tags=tags,
            on_duplicate=on_duplicate,
            on_match=on_match,
            match_score=match_score,
            **source(image),
        )
        return self._call(self._stub.AddImage, request, timeout)

    def add_all(
        self,
        items: Iterable[bulk.Item],
        *,
        on_match: int = pb.ON_MATCH_UNSPECIFIED,
        match_score: float = 0.0,
        max_in_flight: int = 16,
    ) -> Iterator[bulk.Outcome]:
        """Adds any number of images over a stream; yields the outcome of each as it completes.

        Items are taken from the iterable as the gateway gets on. After a broken connection the
        others are sent again, so an item whose bytes are stored already succeeds, with `existed`.
        """
        options = pb.AddImagesOptions(
            library=self._library,
            on_duplicate=pb.ON_DUPLICATE_ACCEPT,
            on_match=on_match,
            match_score=match_score,
            max_in_flight=max_in_flight,
        )
        run = bulk.Run(
            self._stream(self._stub.AddImages),
            pb.AddImagesRequest(options=options),
            bulk.add_message,
            items,
            max_in_flight,
        )
        return run.outcomes()

    def search(
        self,
        image: Image,
        *,
        tags: Sequence[int] = (),
        tag_logic: int = pb.TAG_LOGIC_UNSPECIFIED,
        offset: int = 0,
        limit: int = 0,
        min_score: float = 0.0,
        profile: int = pb.PROFILE_UNSPECIFIED,
        effort: int = pb.EFFORT_UNSPECIFIED,
        timeout: Optional[float] = None,
    ) -> pb.SearchImagesResponse:
        """Finds the stored images that are wholly or partly the same."""
        request = pb.SearchImagesRequest(
            library=self._library,
            tags=tags,
            tag_logic=tag_logic,
            offset=offset,
            limit=limit,
            min_score=min_score,
            profile=profile,
            effort=effort,
            **source(image),
        )
        return self._call(self._stub.SearchImages, request, timeout)

    def search_all(
        self,
        images: Iterable[Image],
        *,
        limit: int = 0,
        min_score: float = 0.0,
        max_in_flight: int = 16,
        **options: Any,
    ) -> Iterator[bulk.Outcome]:
        """Searches with any number of images over a stream; yields the outcome of each.

        `options` are further fields of BulkSearchImagesOptions.
        """
        settings = pb.BulkSearchImagesOptions(
            library=self._library,
            limit=limit,
            min_score=min_score,
            max_in_flight=max_in_flight,
            **options,
        )
        run = bulk.Run(
            self._stream(self._stub.BulkSearchImages),
            pb.BulkSearchImagesRequest(options=settings),
            bulk.search_message,
            images,
            max_in_flight,
        )
        return run.outcomes()

    def compare(
        self, first: Image, second: Image, *, timeout: Optional[float] = None
    ) -> pb.CompareImagesResponse:
        """Compares two images; nothing is stored."""
        request = pb.CompareImagesRequest(
            library=self._library,
            first=pb.ComparedImage(**source(first)),
            second=pb.ComparedImage(**source(second)),
        )
        return self._call(self._stub.CompareImages, request, timeout)

    def update(
        self,
        cont_sign: str,
        *,
        brief: Optional[str] = None,
        tags: Optional[Sequence[int]] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Changes the brief or the tags, or both, of a stored image."""
        request = pb.UpdateImageRequest(library=self._library, cont_sign=cont_sign, brief=brief)
        if tags is not None:
            request.tags.CopyFrom(pb.TagList(values=tags))
        self._call(self._stub.UpdateImage, request, timeout)

    def delete(
        self, cont_signs: Sequence[str], *, timeout: Optional[float] = None
    ) -> pb.DeleteImagesResponse:
        """Deletes up to 10,000 images; read `results` for the outcome of each sign."""
        signs = pb.ContSignList(values=cont_signs)
        request = pb.DeleteImagesRequest(library=self._library, cont_signs=signs)
        return self._call(self._stub.DeleteImages, request, timeout)

    def get(
        self, cont_sign: str, *, preview: bool = False, timeout: Optional[float] = None
    ) -> pb.Image:
        """Returns the record of a stored image, with its thumbnail.

        With `preview` it has its preview too, if one is stored.
        """
        request = pb.GetImageRequest(library=self._library, cont_sign=cont_sign, preview=preview)
        return self._call(self._stub.GetImage, request, timeout).image

    def images(
        self, *, page_size: int = 1000, timeout: Optional[float] = None, **fields: Any
    ) -> Iterator[pb.Image]:
        """Yields the stored images, oldest first; `fields` are those of ListImagesRequest.

        `timeout` limits the call for each page.
        """
        request = pb.ListImagesRequest(library=self._library, page_size=page_size, **fields)
        while True:
            page = self._call(self._stub.ListImages, request, timeout)
            yield from page.images
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    def tags(self, *, timeout: Optional[float] = None) -> pb.ListTagsResponse:
        """Returns the tags of the library, each with the number of its images."""
        request = pb.ListTagsRequest(library=self._library)
        return self._call(self._stub.ListTags, request, timeout)

    def info(self, *, timeout: Optional[float] = None) -> pb.GetLibraryResponse:
        """Returns the size, the capacity and the limits of the library."""
        request = pb.GetLibraryRequest(library=self._library)
        return self._call(self._stub.GetLibrary, request, timeout)

    def libraries(self, *, timeout: Optional[float] = None) -> Sequence[pb.LibraryInfo]:
        """Returns the libraries that the caller may use, with what each can do."""
        return self._call(self._stub.ListLibraries, pb.ListLibrariesRequest(), timeout).libraries

    def state(self, *, timeout: Optional[float] = None) -> pb.GetStateResponse:
        """Returns the caller's libraries, quotas and last calls, and the version of the gateway."""
        return self._call(self._stub.GetState, pb.GetStateRequest(), timeout)

    def find_duplicates(
        self,
        *,
        min_score: float = 0.0,
        tags: Sequence[int] = (),
        tag_logic: int = pb.TAG_LOGIC_UNSPECIFIED,
        added_since: Optional[timestamp_pb2.Timestamp] = None,
        cursor: str = "",
        profile: int = pb.PROFILE_UNSPECIFIED,
    ) -> Duplicates:
        """Finds the groups of same images in the library."""
        request = pb.FindDuplicatesRequest(
            library=self._library,
            min_score=min_score,
            tags=tags,
            tag_logic=tag_logic,
            added_since=added_since,
            cursor=cursor,
            profile=profile,
        )
        return Duplicates(self._stream(self._stub.FindDuplicates), request)

    def _call(self, method: Any, request: Any, timeout: Optional[float]) -> Any:
        """Calls a method, and again where a retry helps, as long as the timeout allows."""
        metadata = self._metadata()
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        is_idempotent = type(request) in IDEMPOTENT
        rejected = None
        for attempt in itertools.count(1):
            try:
                return method(request, timeout=deadline - time.monotonic(), metadata=metadata)
            except grpc.RpcError as error:
                failure = SamegateError.from_call(error)
            if rejected and is_idempotent and failure.code == grpc.StatusCode.DEADLINE_EXCEEDED:
                # Too little time was left for a retry. Of other methods the caller has to know that this
                # attempt may have been carried out.
                raise rejected
            wait = max(failure.retry_after or 0, bulk.backoff(attempt, CALL_BACKOFF_S))
            if (
                attempt == CALL_ATTEMPTS
                or not _is_retried(failure, is_idempotent)
                or wait >= deadline - time.monotonic()
            ):
                raise failure
            rejected = failure
            if self._is_closed.wait(wait):
                message = "the client was closed while a call waited for a retry"
                raise SamegateError(grpc.StatusCode.CANCELLED, message)

    def _stream(self, method: Any) -> Callable[[Any], Any]:
        return lambda request: method(request, metadata=self._metadata())

    def _metadata(self) -> list[tuple[str, str]]:
        key = self._api_key() if callable(self._api_key) else self._api_key
        if key and not (key.isascii() and key.isprintable()):
            raise ValueError("the key has a line break or another sign that a header cannot have")
        return [("authorization", f"Bearer {key}")] if key else []


def _is_retried(failure: SamegateError, is_idempotent: bool) -> bool:
    # A gateway says how long to wait if a retry helps.
    if not failure.is_transient or (failure.reason and failure.retry_after is None):
        return False
    if failure.code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        # Without a reason no gateway has sent it: gRPC itself makes one of a response above its limit.
        return is_idempotent or bool(failure.reason)
    return failure.code == grpc.StatusCode.UNAVAILABLE and is_idempotent
