"""Envoy, which turns gRPC into JSON for an HTTP server, and a collector of spans.

Envoy writes base64 in JSON, not forms: it is a peer in speed, not a substitute.
"""

import concurrent.futures
import json
import pathlib

import envoy as package
import google.api
import grpc
from grpc_tools import protoc

import peers

BINARY = pathlib.Path(package.__file__).parent / "_bin" / "envoy"
TYPE = "type.googleapis.com/envoy.extensions"
MAX_BODY = 32 * 1024 * 1024


def start(stack, folder, vendor):
    """Starts an Envoy with one worker and an access log."""
    descriptors = folder / "envoy.pb"
    proto = pathlib.Path(__file__).with_name("envoy.proto")
    annotations = pathlib.Path(next(iter(google.api.__path__))).parents[1]
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    paths = [f"-I{path}" for path in (proto.parent, annotations, well_known)]
    arguments = ["protoc", *paths, "--include_imports", f"--descriptor_set_out={descriptors}", str(proto)]
    assert protoc.main(arguments) == 0
    address = peers.free_address()
    file = folder / "envoy.json"
    file.write_text(json.dumps(config(address, vendor.address, descriptors, folder / "envoy.log")))
    command = [BINARY, "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return peers.Process(stack, command, address)


def config(listen, vendor, descriptors, log):
    filters = [
        typed(
            "envoy.filters.http.grpc_json_reverse_transcoder",
            "filters.http.grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder",
            descriptor_path=str(descriptors),
            max_request_body_size=MAX_BODY,
            max_response_body_size=MAX_BODY,
        ),
        typed("envoy.filters.http.router", "filters.http.router.v3.Router"),
    ]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "vendor", "timeout": "60s"}}
    manager = typed(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="grpc",
        codec_type="AUTO",
        http_filters=filters,
        access_log=[typed("log", "access_loggers.file.v3.FileAccessLog", path=str(log))],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    )
    buffer = {"per_connection_buffer_limit_bytes": MAX_BODY}
    listener = {"name": "grpc", "address": socket(listen), "filter_chains": [{"filters": [manager]}], **buffer}
    endpoint = {"endpoint": {"address": socket(vendor)}}
    cluster = {
        "name": "vendor",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "vendor", "endpoints": [{"lb_endpoints": [endpoint]}]},
        **buffer,
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def typed(name, kind, **fields):
    return {"name": name, "typed_config": {"@type": f"{TYPE}.{kind}", **fields}}


def socket(address):
    host, port = address.split(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def collector(stack):
    """Starts a collector that accepts every export, and returns its address."""

    class Accept(grpc.GenericRpcHandler):
        def service(self, _):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1), handlers=[Accept()])
    address = peers.free_address()
    server.add_insecure_port(address)
    server.start()
    stack.callback(server.stop, None)
    return address
