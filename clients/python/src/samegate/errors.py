"""The error of a call or of one item of a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from .v1 import same_image_pb2 as pb

_CODES = {code.value[0]: code for code in grpc.StatusCode}

# Codes for a temporary condition, and those of a broken connection.
_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNKNOWN,
}
# Reasons for which waiting does not help, whatever the code.
_LASTING = {
    "DAILY_QUOTA_EXCEEDED",
    "DISK_FULL",
    "LIBRARY_FULL",
    "MESSAGE_TOO_LARGE",
    "QUOTA_DAY_EXCEEDED",
    "STORAGE_FAILED",
    "TOTAL_QUOTA_EXCEEDED",
    "VENDOR_PROTOCOL",
}


# Trailer with the milliseconds to wait, or a negative number if no retry helps (gRFC A6).
_PUSHBACK = "grpc-retry-pushback-ms"


@dataclasses.dataclass(frozen=True)
class Violation:
    """An invalid field of a request."""

    field: str
    description: str


class SamegateError(Exception):
    """A call or an item that failed.

    `code` is the gRPC status code, None for a failure on this side. `reason` is the stable name of
    the cause, such as `IMAGE_NOT_FOUND`; empty if no gateway answered. `retry_after` is in seconds,
    None where a retry does not help or no time is known.
    """

    def __init__(
        self,
        code: Optional[grpc.StatusCode],
        message: str,
        *,
        reason: str = "",
        metadata: Optional[Mapping[str, str]] = None,
        violations: Sequence[Violation] = (),
        retry_after: Optional[float] = None,
        matches: Sequence[pb.Match] = (),
    ) -> None:
        # What pickle passes to __init__; the rest is in __dict__.
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = list(violations)
        self.retry_after = retry_after
        #: The stored images for which an image was not added.
        self.matches = list(matches)
        # The gateway says that no retry helps, for reasons that this version does not know.
        self._is_lasting = False

    @property
    def cont_sign(self) -> str:
        """The sign of the stored image that the error is about; empty if there is none."""
        return self.metadata.get("cont_sign", "")

    @property
    def is_transient(self) -> bool:
        """Whether the same request can succeed later."""
        if self._is_lasting:
            return False
        if self.code == grpc.StatusCode.INTERNAL:
            # Without a reason it is not the gateway's: a proxy or a connection that broke.
            return not self.reason
        return self.code in _TRANSIENT and self.reason not in _LASTING

    def __str__(self) -> str:
        name = self.reason or (self.code.name if self.code else "")
        # The message of the gateway has the violations.
        return f"{self.message} [{name}]" if name else self.message

    @classmethod
    def from_call(cls, error: grpc.RpcError) -> SamegateError:
        """Unpacks the status of a call and its details."""
        made = cls(error.code(), error.details() or error.code().name)
        for key, value in error.trailing_metadata() or ():
            made._is_lasting |= key == _PUSHBACK and value.startswith("-")
        try:
            status = rpc_status.from_call(error)
        except ValueError:  # A proxy's status that contradicts its details: the code holds.
            status = None
        for packed in status.details if status else ():
            made._add(packed)
        return made

    @classmethod
    def from_item(cls, status: pb.Status, matches: Sequence[pb.Match] = ()) -> SamegateError:
        """Makes the error of one item of a stream."""
        code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
        return cls(
            code,
            status.message,
            reason=status.reason,
            metadata=status.metadata,
            matches=matches,
        )

    def _add(self, packed) -> None:
        info = error_details_pb2.ErrorInfo()
        request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        same = pb.SameImages()
        if packed.Unpack(info):
            self.reason = info.reason
            self.metadata = dict(info.metadata)
        elif packed.Unpack(request):
            self.violations = [Violation(v.field, v.description) for v in request.field_violations]
        elif packed.Unpack(retry):
            self.retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif packed.Unpack(same):
            self.matches = list(same.matches)
