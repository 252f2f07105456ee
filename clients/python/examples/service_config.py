"""Calls gateways with the generated stub alone: retries and health checks are gRPC's own.

Usage: service_config.py TARGET FILE

Makes one call for each line of its input, and prints its response or its error. TARGET is a name of
all gateways, such as dns:///samegate-headless:50051; FILE is clients/service_config.json.
"""

import os
import pathlib
import sys

import grpc

from samegate.v1 import same_image_pb2 as pb
from samegate.v1 import same_image_pb2_grpc


def main(target, file):
    options = [
        ("grpc.service_config", pathlib.Path(file).read_text()),
        # What a service config cannot say. By default gRPC retries no request above 256 KiB, less than
        # a photograph, tries to connect every 2 minutes, for which calls would wait, and sends no pings:
        # a lost connection would hang.
        ("grpc.per_rpc_retry_buffer_size", 64 << 20),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.keepalive_time_ms", 60_000),
    ]
    metadata = [("authorization", f"Bearer {os.environ.get('SAMEGATE_API_KEY', '')}")]
    with grpc.insecure_channel(target, options) as channel:
        stub = same_image_pb2_grpc.SameImageServiceStub(channel)
        for _ in sys.stdin:
            try:
                library = stub.GetLibrary(pb.GetLibraryRequest(), metadata=metadata)
                print(library.image_count, "images", flush=True)
            except grpc.RpcError as error:
                print(error.code().name, error.details(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
