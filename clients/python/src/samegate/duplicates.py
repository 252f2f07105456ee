"""The groups of same images in a library, over interruptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from .bulk import STREAM_ATTEMPTS, backoff
from .errors import SamegateError
from .v1 import same_image_pb2 as pb


class Duplicates:
    """Iterates over groups of same images; goes on from its cursor after an interruption.

    Groups that share an image are one group: a large library sends a group in several parts.
    """

    def __init__(
        self, open_stream: Callable[[Any], Any], request: pb.FindDuplicatesRequest
    ) -> None:
        self._open_stream = open_stream
        self._request = request
        #: How many images were compared with all others, and how many are to be.
        self.compared = 0
        self.total = 0

    @property
    def cursor(self) -> str:
        """The position up to which all groups were yielded, also for a later run."""
        return self._request.cursor

    def __iter__(self) -> Iterator[pb.DuplicateGroup]:
        failures = 0
        while True:
            before = self.cursor
            call = self._open_stream(self._request)
            try:
                for response in call:
                    if response.WhichOneof("event") == "group":
                        yield response.group
                    else:
                        self._progressed(response.progress)
                return
            except grpc.RpcError as error:
                failures = 1 if self.cursor != before else failures + 1
                failure = SamegateError.from_call(error)
                if not failure.is_transient or failures >= STREAM_ATTEMPTS:
                    raise failure from None
                time.sleep(max(failure.retry_after or 0.0, backoff(failures)))
            finally:
                call.cancel()

    def _progressed(self, progress: pb.FindDuplicatesProgress) -> None:
        self.compared, self.total = progress.compared, progress.total
        if progress.cursor:
            self._request.cursor = progress.cursor
