"""A server that fails as a check of the Python package says, for what a gateway cannot be made to do."""

import contextlib
import datetime
from concurrent import futures

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gateways import LIMIT_S
from ports import free_ports
from samegate import Client, SamegateError
from samegate.v1 import same_image_pb2 as pb
from samegate.v1 import same_image_pb2_grpc


class Rejecting(same_image_pb2_grpc.SameImageServiceServicer):
    """A server whose calls fail as a check says, one after the other; records the calls."""

    def __init__(self, *failures, trailer):
        self.calls = []
        self.trailer = trailer
        self.failures = list(failures)

    def AddImage(self, _, context):
        self._called("AddImage", context)
        return pb.AddImageResponse()

    def GetLibrary(self, _, context):
        self._called("GetLibrary", context)
        return pb.GetLibraryResponse(image_count=3)

    def _called(self, name, context):
        self.calls.append(name)
        if self.failures:
            status = rpc_status.to_status(self.failures.pop(0))
            context.abort_with_status(
                status._replace(trailing_metadata=(*status.trailing_metadata, *self.trailer))
            )

    def AddImages(self, requests, _):
        next(requests)
        for request in requests:
            self.calls.append(request.item.key)
            status = pb.Status(code=14, message="not now", reason="VENDOR_UNAVAILABLE")
            yield pb.AddImagesResponse(result=pb.AddImagesResult(key=request.item.key, status=status))

    def FindDuplicates(self, request, context):
        self.calls.append(request.cursor)
        if not request.cursor:
            yield pb.FindDuplicatesResponse(progress=pb.FindDuplicatesProgress(cursor="half"))
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        yield pb.FindDuplicatesResponse(group=pb.DuplicateGroup())


def failure(code, reason="", wait=None):
    """Makes a status as the gateway sends it; without a reason it is that of a proxy."""
    made = status_pb2.Status(code=code.value[0], message="as the test says")
    if reason:
        made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason))
    if wait is not None:
        made.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=datetime.timedelta(seconds=wait)))
    return made


@contextlib.contextmanager
def rejecting(*failures, trailer=()):
    """Yields a client and the server that it calls."""
    served, (port,) = Rejecting(*failures, trailer=trailer), free_ports(1)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    same_image_pb2_grpc.add_SameImageServiceServicer_to_server(served, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", timeout=LIMIT_S) as client:
            yield client, served
    finally:
        server.stop(None).wait()


def rejected(call, *arguments, **fields):
    """Calls, expects an error, and returns it."""
    try:
        call(*arguments, **fields)
    except SamegateError as error:
        return error
    raise AssertionError("it was not rejected")
