"""Streams of many items: bounded, and resumed after a broken connection.

An item without a result is sent again over the next stream, after a drain, a broken connection or a
transient failure of the item. So the items of additions must be safe to repeat: the client lets the
gateway accept the same bytes again.
"""

from __future__ import annotations

import collections
import dataclasses
import heapq
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional

import grpc

from .errors import SamegateError
from .images import Image, source
from .v1 import same_image_pb2 as pb

#: Items in memory at once, as many as the gateway has in flight by default.
DEFAULT_WINDOW = 16
#: Times that an item is sent if it fails for a transient reason.
ITEM_ATTEMPTS = 3
#: Consecutive streams without a result after which the run fails: 53 to 105 s of waiting.
STREAM_ATTEMPTS = 12
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 15.0
#: Of a message of protobuf, less than the fields around an item.
MAX_MESSAGE_BYTES = 2**31 - 1024

# Kinds of events.
UNSENT, WORK, RESPONSE, END = "unsent", "work", "response", "end"


@dataclasses.dataclass(frozen=True)
class Item:
    """One image of a bulk load."""

    image: Image
    brief: str = ""
    tags: Sequence[int] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one item."""

    #: The item as it was passed.
    item: Any
    #: The message of the contract: AddImagesResult or BulkSearchImagesResult; None if it was not sent.
    result: Any
    #: None if the item succeeded.
    error: Optional[SamegateError]


@dataclasses.dataclass
class _Pending:
    item: Any
    message: Any
    attempts: int = 0


class Run:
    """One bulk load or bulk search over as many streams as it needs.

    The caller's thread reads events: outcomes of items that cannot be sent, responses, and ends of
    streams. A feeder thread takes items from the caller's iterable, a thread of each stream reads
    responses, and gRPC's own thread sends. So neither a slow iterable nor one that waits for outcomes
    holds anything up.
    """

    def __init__(
        self,
        open_stream: Callable[[Iterator[Any]], Any],
        options: Any,
        to_message: Callable[[str, Any], Any],
        items: Iterable[Any],
        window: int,
    ) -> None:
        self._open_stream = open_stream
        self._options = options
        self._to_message = to_message
        self._items = iter(items)
        self._window = window or DEFAULT_WINDOW
        self._events: queue.SimpleQueue[tuple[str, int, Any]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        # Guarded by `_changed`:
        self._stream = 0
        self._pending: dict[str, _Pending] = {}
        self._to_send: collections.deque[str] = collections.deque()
        #: Items that failed for a transient reason, by the time at which they are sent again.
        self._delayed: list[tuple[float, str]] = []
        self._unsent = 0
        self._is_exhausted = False
        self._is_closed = False
        self._source_error: Optional[BaseException] = None

    def outcomes(self) -> Iterator[Outcome]:
        """Yields the outcome of each item, in the order of completion."""
        threading.Thread(target=self._feed, daemon=True).start()
        try:
            yield from self._all_streams()
        finally:
            # Also when the caller stops reading: no further item is taken or sent.
            with self._changed:
                self._is_closed = True
                self._changed.notify_all()
        if self._source_error is not None:
            raise self._source_error

    def _all_streams(self) -> Iterator[Outcome]:
        failures = 0
        while True:
            with self._changed:
                has_work = bool(self._pending)
                is_done = self._is_exhausted and not has_work
            if not has_work:
                if is_done and self._events.empty():
                    return
                kind, _, value = self._events.get()
                if kind == UNSENT:
                    yield self._not_sent(value)
                continue
            results, error = yield from self._one_stream()
            with self._changed:
                is_failure = results == 0 and (error is not None or bool(self._pending))
                is_over = self._is_exhausted and not self._pending
            failures = failures + 1 if is_failure else 0
            if is_over:
                continue
            if error is not None and not error.is_transient:
                raise error
            if failures >= STREAM_ATTEMPTS:
                raise error or SamegateError(None, "the gateway ended the stream without a result")
            if failures:
                wait = (error.retry_after if error else None) or 0.0
                time.sleep(max(wait, backoff(failures)))

    def _one_stream(self):
        """Yields the outcomes of one stream; returns the number of results, and its error if any."""
        with self._changed:
            self._stream += 1
            stream = self._stream
            self._to_send = collections.deque(self._pending)
            self._delayed = []
        call = self._open_stream(self._requests(stream))
        threading.Thread(target=self._read, args=(call, stream), daemon=True).start()
        results = 0
        try:
            while True:
                kind, of, value = self._events.get()
                if kind == UNSENT:
                    yield self._not_sent(value)
                elif of != stream:
                    continue
                elif kind == END:
                    return results, value
                elif value.WhichOneof("event") == "drain":
                    self._end_requests(stream)
                elif value.WhichOneof("event") == "result":
                    results += 1
                    outcome = self._settled(value.result)
                    if outcome is not None:
                        yield outcome
        finally:
            self._end_requests(stream)
            call.cancel()

    def _read(self, call: Any, stream: int) -> None:
        """Passes on the responses of a stream. Bounded: each item in the window has one result."""
        try:
            for response in call:
                self._events.put((RESPONSE, stream, response))
        except grpc.RpcError as error:
            self._events.put((END, stream, SamegateError.from_call(error)))
        else:
            self._events.put((END, stream, None))

    def _requests(self, stream: int) -> Iterator[Any]:
        """Yields the messages of one stream; runs on a thread of gRPC."""
        yield self._options
        while (message := self._next(stream)) is not None:
            yield message

    def _next(self, stream: int) -> Any:
        """Returns the next message of a stream; None at its end."""
        with self._changed:
            while True:
                if stream != self._stream or self._is_closed:
                    return None
                wait = self._delayed[0][0] - time.monotonic() if self._delayed else None
                if wait is not None and wait <= 0:
                    self._to_send.append(heapq.heappop(self._delayed)[1])
                if self._to_send:
                    return self._pending[self._to_send.popleft()].message
                if self._is_exhausted and not self._pending:
                    return None
                self._changed.wait(wait)

    def _feed(self) -> None:
        """Takes the items; runs on a thread of its own."""
        for key in map(str, itertools.count()):
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_closed or len(self._pending) + self._unsent < self._window
                )
                if self._is_closed:
                    return
            try:
                item = next(self._items)
            except StopIteration:
                return self._exhaust(None)
            except BaseException as error:  # The caller's: raised when all items before it are done.
                return self._exhaust(error)
            self._take(key, item)

    def _take(self, key: str, item: Any) -> None:
        """Makes an item pending, or its outcome if it cannot be sent."""
        try:
            message = self._to_message(key, item)
        except Exception as error:  # Of an item that is none: it must not end the run.
            if not isinstance(error, SamegateError):
                error = SamegateError(None, str(error), reason="INVALID_ITEM")
            with self._changed:
                self._unsent += 1
            self._events.put((UNSENT, 0, Outcome(item, None, error)))
            return
        with self._changed:
            self._pending[key] = _Pending(item, message)
            self._to_send.append(key)
            self._changed.notify_all()
        self._events.put((WORK, 0, None))

    def _exhaust(self, error: Optional[BaseException]) -> None:
        with self._changed:
            self._source_error = error
            self._is_exhausted = True
            self._changed.notify_all()
        self._events.put((WORK, 0, None))

    def _settled(self, result: Any) -> Optional[Outcome]:
        """Returns the outcome of an item; None if it is sent again."""
        with self._changed:
            pending = self._pending.get(result.key)
            if pending is None:
                return None
            error = None
            if result.status.code != 0:
                error = SamegateError.from_item(result.status, result.matches)
                if error.reason == "SHUTTING_DOWN":
                    return None
                pending.attempts += 1
                if error.is_transient and pending.attempts < ITEM_ATTEMPTS:
                    due = time.monotonic() + backoff(pending.attempts)
                    heapq.heappush(self._delayed, (due, result.key))
                    self._changed.notify_all()
                    return None
            del self._pending[result.key]
            self._changed.notify_all()
        return Outcome(pending.item, result, error)

    def _not_sent(self, outcome: Outcome) -> Outcome:
        with self._changed:
            self._unsent -= 1
            self._changed.notify_all()
        return outcome

    def _end_requests(self, stream: int) -> None:
        with self._changed:
            if self._stream == stream:
                self._stream += 1
            self._changed.notify_all()


def add_message(key: str, item: Item) -> pb.AddImagesRequest:
    """Makes the message of one image to add."""
    message = pb.AddImagesItem(key=key, brief=item.brief, tags=item.tags, **source(item.image))
    return pb.AddImagesRequest(item=sendable(message))


def search_message(key: str, image: Image) -> pb.BulkSearchImagesRequest:
    """Makes the message of one query image."""
    message = pb.BulkSearchImagesItem(key=key, **source(image))
    return pb.BulkSearchImagesRequest(item=sendable(message))


def sendable(message: Any) -> Any:
    """Rejects what protobuf cannot write: gRPC would end the stream, and with it the run."""
    if message.ByteSize() > MAX_MESSAGE_BYTES:
        raise SamegateError(None, "an image of 2 GiB or more", reason="INVALID_ITEM")
    return message


def backoff(failures: int, first: float = FIRST_BACKOFF_S) -> float:
    """Returns the exponential backoff with jitter, in seconds."""
    longest = min(first * 2 ** (failures - 1), MAX_BACKOFF_S)
    return longest * random.uniform(0.5, 1.0)
