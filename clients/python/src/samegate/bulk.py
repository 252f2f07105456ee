"""Streams of many items: bounded, and resumed after a broken connection.

An item without a result is sent again over the next stream, after a drain, a broken connection or a
transient failure of the item. So the items of additions must be safe to repeat: the client lets the
gateway accept the same bytes again.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional

import grpc

from .errors import SamegateError
from .images import Image
from .v1 import same_image_pb2 as pb

#: Times that an item is sent if it fails for a transient reason.
ITEM_ATTEMPTS = 3
#: Consecutive streams without a result after which the run fails.
STREAM_ATTEMPTS = 8
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 15.0


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
    """One bulk load or bulk search over as many streams as it needs."""

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
        self._window = window
        self._keys = itertools.count()
        self._source = threading.Lock()
        self._changed = threading.Condition()
        # Guarded by `_changed`:
        self._stream = 0
        self._pending: dict[str, _Pending] = {}
        self._to_send: collections.deque[str] = collections.deque()
        self._unsent: collections.deque[Outcome] = collections.deque()
        self._is_exhausted = False
        self._source_error: Optional[Exception] = None
        self._count = 0
        self._wait_until = 0.0

    def outcomes(self) -> Iterator[Outcome]:
        """Yields the outcome of each item, in the order of completion."""
        failures = 0
        while True:
            with self._changed:
                self._stream += 1
                self._to_send = collections.deque(self._pending)
                before = self._count
            error = yield from self._one_stream()
            with self._changed:
                if self._is_exhausted and not self._pending and not self._unsent:
                    break
                failures = 0 if self._count > before else failures + 1
            if error is not None and not error.is_transient:
                raise error
            if failures >= STREAM_ATTEMPTS:
                raise error or SamegateError(None, "the gateway ended the stream without a result")
            if failures:
                wait = (error.retry_after if error else None) or 0.0
                time.sleep(max(wait, _backoff(failures)))
        if self._source_error is not None:
            raise self._source_error

    def _one_stream(self):
        """Yields the outcomes of one stream; returns the error that broke it, if one did."""
        call = self._open_stream(self._requests(self._stream))
        try:
            for response in call:
                event = response.WhichOneof("event")
                if event == "result":
                    yield from self._settled(response.result)
                elif event == "drain":
                    self._end_requests()
                yield from self._not_sent()
        except grpc.RpcError as error:
            return SamegateError.from_call(error)
        finally:
            # Also when the caller stops reading: the gateway gets no further item.
            self._end_requests()
            call.cancel()
        yield from self._not_sent()
        return None

    def _requests(self, stream: int) -> Iterator[Any]:
        """Yields the messages of one stream; runs on a thread of gRPC."""
        yield self._options
        while (message := self._next(stream)) is not None:
            yield message

    def _next(self, stream: int) -> Any:
        """Returns the next message of a stream; None at its end."""
        while True:
            with self._changed:
                while not self._is_ready(stream):
                    self._changed.wait(timeout=max(0.05, self._wait_until - time.monotonic()))
                if stream != self._stream:
                    return None
                if self._to_send:
                    return self._pending[self._to_send.popleft()].message
                if self._is_exhausted:
                    # All have a result: the stream ends, and with it the run.
                    return None
            # The thread of a stream that broke may still wait for the caller's iterator.
            with self._source:
                if stream == self._stream and not self._is_exhausted:
                    self._take()

    def _is_ready(self, stream: int) -> bool:
        if stream != self._stream:
            return True
        if self._to_send:
            return time.monotonic() >= self._wait_until
        if self._is_exhausted:
            return not self._pending
        return len(self._pending) < self._window

    def _take(self) -> None:
        """Takes the next item; it is pending until it has a result."""
        try:
            item = next(self._items)
        except StopIteration:
            self._exhaust(None)
            return
        except Exception as error:  # Of the caller's iterator: raised when all items are done.
            self._exhaust(error)
            return
        key = str(next(self._keys))
        try:
            message = self._to_message(key, item)
        except (SamegateError, TypeError, ValueError) as error:
            if not isinstance(error, SamegateError):
                error = SamegateError(None, str(error), reason="INVALID_ITEM")
            with self._changed:
                self._unsent.append(Outcome(item, None, error))
            return
        with self._changed:
            self._pending[key] = _Pending(item, message)
            self._to_send.append(key)

    def _exhaust(self, error: Optional[Exception]) -> None:
        with self._changed:
            self._source_error = error
            self._is_exhausted = True

    def _settled(self, result: Any) -> Iterator[Outcome]:
        """Yields the outcome of an item, unless it is sent again."""
        with self._changed:
            pending = self._pending.get(result.key)
            if pending is None:
                return
            error = None
            if result.status.code != 0:
                error = SamegateError.from_item(result.status, result.matches)
                if error.reason == "SHUTTING_DOWN":
                    return
                pending.attempts += 1
                if error.is_transient and pending.attempts < ITEM_ATTEMPTS:
                    self._to_send.append(result.key)
                    self._wait_until = time.monotonic() + _backoff(pending.attempts)
                    self._changed.notify_all()
                    return
            del self._pending[result.key]
            self._count += 1
            self._changed.notify_all()
        yield Outcome(pending.item, result, error)

    def _not_sent(self) -> Iterator[Outcome]:
        """Yields the items that could not be sent, such as files that cannot be read."""
        while True:
            with self._changed:
                if not self._unsent:
                    return
                outcome = self._unsent.popleft()
                self._count += 1
            yield outcome

    def _end_requests(self) -> None:
        with self._changed:
            self._stream += 1
            self._changed.notify_all()


def add_message(key: str, item: Item, source: Callable[[Image], dict[str, Any]]) -> Any:
    """Makes the message of one image to add."""
    message = pb.AddImagesItem(key=key, brief=item.brief, tags=item.tags, **source(item.image))
    return pb.AddImagesRequest(item=message)


def search_message(key: str, image: Image, source: Callable[[Image], dict[str, Any]]) -> Any:
    """Makes the message of one query image."""
    return pb.BulkSearchImagesRequest(item=pb.BulkSearchImagesItem(key=key, **source(image)))


def _backoff(failures: int) -> float:
    """Returns the exponential backoff with jitter, in seconds."""
    longest = min(FIRST_BACKOFF_S * 2 ** (failures - 1), MAX_BACKOFF_S)
    return longest * random.uniform(0.5, 1.0)
