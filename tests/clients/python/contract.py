"""The contract, compiled for Python, and the details of its errors."""

import pathlib
import sys
import tempfile

import grpc_tools
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc


def stubs(proto):
    """Compiles the contract in a temporary folder."""
    with tempfile.TemporaryDirectory() as out:
        file = "samegate/v1/same_image.proto"
        # google/protobuf/timestamp.proto comes with the compiler.
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        options = [f"-I{proto}", f"-I{well_known}"]
        options += [f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main(["protoc", *options, str(pathlib.Path(proto) / file)]) != 0:
            raise SystemExit("the contract does not compile")
        sys.path.insert(0, out)
        from samegate.v1 import same_image_pb2, same_image_pb2_grpc

        return same_image_pb2, same_image_pb2_grpc.SameImageServiceStub


def details(error):
    """Returns the details of an error by the name of their type."""
    status = rpc_status.from_call(error)
    found = {}
    for packed in status.details if status else ():
        name = packed.TypeName().rsplit(".", 1)[-1]
        # Those of google.rpc, and ours, which `stubs` has compiled.
        own = sys.modules["samegate.v1.same_image_pb2"]
        message = getattr(error_details_pb2, name, None) or getattr(own, name)
        message = message()
        assert packed.Unpack(message), name
        found[name] = message
    return found
