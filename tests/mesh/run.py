"""Calls gateways through a real Envoy.

Usage: [RESTARTS=10] run.py GATEWAY_BINARY

Each check has its own mesh: two gateways, each with its own vendor, which accept
only the certificate of the mesh, and an Envoy between them and a client.
"""

import contextlib
import json
import os
import pathlib
import sys
import tempfile
import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients" / "python"))
sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))
import images  # noqa: E402
import proxy  # noqa: E402
from checks import check, run  # noqa: E402
from contract import details, stubs  # noqa: E402
from parts import TIMEOUT_S, Certificates, Envoy, Gateway, wait_until  # noqa: E402
from samegate import Client, Item, SamegateError  # noqa: E402

IMAGE = images.png(1)
PUSHBACK = "grpc-retry-pushback-ms"
CALLERS = 4
RESTARTS = int(os.environ.get("RESTARTS", 10))
pb, Stub = stubs(ROOT / "proto")


class Mesh:
    """Gateways behind an Envoy; `call` sends a search through it."""

    def __init__(self, gateways, envoy, certificates, stack):
        self.gateways, self.envoy, self.certificates = gateways, envoy, certificates
        self.stack = stack
        self.channel = self.open(envoy.listener)
        self.stub = Stub(self.channel)

    def open(self, address, credentials=None, **options):
        options = {"grpc.ssl_target_name_override": proxy.GATEWAY, **options}
        options = list(options.items())
        if credentials is None:
            channel = grpc.insecure_channel(address, options)
        else:
            channel = grpc.secure_channel(address, credentials, options)
        return self.stack.enter_context(channel)

    def call(self, stub=None, **options):
        request = pb.SearchImagesRequest(content=IMAGE)
        return (stub or self.stub).SearchImages(request, timeout=TIMEOUT_S, **options)

    def calls_per_gateway(self):
        return [gateway.vendor.calls for gateway in self.gateways]


@contextlib.contextmanager
def mesh(binary, gateways=2, limits="", **options):
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="samegate-mesh-")))
        certificates = Certificates(folder)
        made = []
        for number in range(gateways):
            made.append(Gateway(binary, folder / str(number), certificates, limits))
            stack.callback(made[-1].close)
        envoy = Envoy(folder, certificates, made, **options)
        stack.callback(envoy.close)
        yield Mesh(made, envoy, certificates, stack)


@check
def unary_calls_and_streams_reach_both_gateways(binary):
    with mesh(binary) as m:
        wait_until(lambda: m.call().matches[0].brief == "mesh" and all(m.calls_per_gateway()))

        def requests():
            yield pb.AddImagesRequest(options=pb.AddImagesOptions())
            for number in range(3):
                item = pb.AddImagesItem(key=str(number), content=images.png(number))
                yield pb.AddImagesRequest(item=item)

        *events, last = m.stub.AddImages(requests(), timeout=TIMEOUT_S)
        keys = {event.result.key for event in events if event.WhichOneof("event") == "result"}
        assert (keys, last.summary.added) == ({"0", "1", "2"}, 3), (events, last)
        health = health_pb2_grpc.HealthStub(m.channel)
        response = health.Check(health_pb2.HealthCheckRequest(service=proxy.SERVICE), timeout=TIMEOUT_S)
        assert response.status == health_pb2.HealthCheckResponse.SERVING


@check
def services_without_a_route_are_not_reached(binary):
    with mesh(binary, gateways=1) as m:
        call = m.channel.unary_unary("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        code, _ = rejection(lambda: call(b"", timeout=TIMEOUT_S))
        assert code == grpc.StatusCode.UNIMPLEMENTED, code


@check
def errors_arrive_with_all_details(binary):
    with mesh(binary, gateways=1) as m:
        request = pb.SearchImagesRequest(content=b"not an image", limit=2000)
        code, error = rejection(lambda: m.stub.SearchImages(request, timeout=TIMEOUT_S))
        assert code == grpc.StatusCode.INVALID_ARGUMENT, code
        fields = {violation.field for violation in details(error)["BadRequest"].field_violations}
        assert fields == {"content", "limit"}, fields


@check
def a_gateway_accepts_only_the_certificate_of_the_mesh(binary):
    with mesh(binary, gateways=1) as m:
        assert m.call().matches
        address = m.gateways[0].grpc
        known = m.open(address, m.certificates.credentials(proxy.MESH))
        assert m.call(Stub(known)).matches
        unknown = m.open(address, m.certificates.credentials("unknown.test"))
        code, error = rejection(lambda: m.call(Stub(unknown)))
        assert code == grpc.StatusCode.PERMISSION_DENIED, code
        assert details(error)["ErrorInfo"].reason == "IDENTITY_UNKNOWN"
        for channel in (m.open(address, m.certificates.credentials()), m.open(address)):
            code, _ = rejection(lambda: m.call(Stub(channel)))
            assert code == grpc.StatusCode.UNAVAILABLE, code


@check
def a_trace_reaches_the_vendor(binary):
    with mesh(binary, gateways=1) as m:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        m.call(metadata=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
        (gateway,) = m.gateways
        (received,) = gateway.vendor.traces
        assert received.split("-")[1] == trace, received
        wait_until(lambda: any(trace == line.get("trace_id") for line in lines(gateway.log)))


@check
def a_gateway_drains_without_a_failed_call(binary):
    with mesh(binary) as m:
        draining, remaining = m.gateways
        with calling(lambda _: m.call()):
            wait_until(lambda: all(m.calls_per_gateway()))
            draining.begin_to_stop()
            # Health is NOT_SERVING while it still accepts calls, so no call fails.
            wait_until(lambda: m.envoy.healthy() == {remaining.grpc}, m.envoy)
            assert draining.process.wait(TIMEOUT_S) == 0
            before = m.calls_per_gateway()
            wait_until(lambda: remaining.vendor.calls > before[1] + 20)
            assert draining.vendor.calls == before[0]
            draining.start()
            wait_until(lambda: draining.vendor.calls > before[0] + 20, m.envoy)


@check
def a_client_package_loses_no_call_while_each_gateway_drains(binary):
    with mesh(binary) as m, contextlib.ExitStack() as stack:
        # Without the option, all channels share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        clients = [stack.enter_context(Client(m.envoy.listener, options=options)) for _ in range(CALLERS)]
        with calling(lambda number: clients[number].search(IMAGE)):
            for draining in m.gateways:
                wait_until(lambda: all(m.calls_per_gateway()))
                draining.begin_to_stop()
                assert draining.process.wait(TIMEOUT_S) == 0
                before = draining.vendor.calls
                draining.start()
                wait_until(lambda: draining.vendor.calls > before + 20, m.envoy)


@check
def a_bulk_load_of_a_client_package_survives_a_gateway_that_is_killed(binary):
    with mesh(binary) as m, Client(m.envoy.listener) as client:
        # A decoder ignores what comes after the end of the image.
        load = client.add_all(Item(IMAGE + b"%d" % number) for number in range(200))
        outcomes = [next(load) for _ in range(20)]
        serving = max(m.gateways, key=lambda gateway: gateway.vendor.calls)
        serving.process.kill()
        outcomes += load
        assert len(outcomes) == 200, len(outcomes)
        assert not any(outcome.error for outcome in outcomes), outcomes


@check
def rolling_restarts_fail_no_call_of_clients_that_follow_goaway(binary):
    with mesh(binary, limits='lame_duck = "0s"') as m:
        # Without Envoy, so that the clients themselves receive the GOAWAY.
        both = "ipv4:" + ",".join(gateway.grpc for gateway in m.gateways)
        credentials = m.certificates.credentials(proxy.MESH)
        options = {
            "grpc.lb_policy_name": "round_robin",
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.min_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 100,
            # Without it, all channels share one connection.
            "grpc.use_local_subchannel_pool": 1,
        }
        clients = [Stub(m.open(both, credentials, **options)) for _ in range(CALLERS)]
        with calling(lambda number: m.call(clients[number])) as responses:
            wait_until(lambda: all(calls > 20 for calls in m.calls_per_gateway()))
            for number in range(RESTARTS):
                gateway = m.gateways[number % 2]
                gateway.begin_to_stop()
                assert gateway.process.wait(TIMEOUT_S) == 0
                before = gateway.vendor.calls
                gateway.start()
                wait_until(lambda: gateway.vendor.calls > before + 20, gateway)
        print(f"  {RESTARTS} restarts, {len(responses)} calls", flush=True)


@contextlib.contextmanager
def calling(call):
    """Calls continuously from several threads; no call may fail."""
    responses, failures, stop = [], [], threading.Event()

    def calls(number):
        while not stop.is_set():
            try:
                responses.append(call(number))
            except (grpc.RpcError, SamegateError) as error:
                failures.append(str(error))

    callers = [threading.Thread(target=calls, args=[number]) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield responses
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert not failures, f"{len(failures)} of {len(failures) + len(responses)} failed: {failures[:5]}"


@check
def a_gateway_whose_vendor_is_down_is_healthy_and_ejected(binary):
    with mesh(binary, outliers=True) as m:
        down, up = m.gateways
        down.vendor.down = True

        def ejected():
            with contextlib.suppress(grpc.RpcError):
                m.call()
            return m.envoy.hosts()[down.grpc]

        wait_until(ejected, m.envoy)
        # Outlier detection ejected it, not health: an outage of the vendor causes no restart.
        assert m.envoy.hosts() == {down.grpc: {"failed_outlier_check"}, up.grpc: set()}
        assert down.is_ready()
        before = up.vendor.calls
        for _ in range(20):
            m.call()
        assert up.vendor.calls == before + 20


@check
def unavailable_is_retried_at_another_gateway(binary):
    with mesh(binary, retry=proxy.RETRY_UNAVAILABLE) as m:
        down, up = m.gateways
        down.vendor.down = True
        for _ in range(20):
            m.call()
        assert up.vendor.calls == 20
        assert m.envoy.stat("cluster.samegate.upstream_rq_retry_success") >= 9


@check
def a_client_that_honours_the_pushback_succeeds_after_an_open_circuit_breaker(binary):
    """The client's own backoff is so short that all attempts would end before the
    circuit breaker probes: only the delay of the pushback header can help."""
    policy = {
        "maxAttempts": 5,
        "initialBackoff": "0.001s",
        "maxBackoff": "0.001s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    service = {"methodConfig": [{"name": [{"service": proxy.SERVICE}], "retryPolicy": policy}]}
    with mesh(binary, gateways=1) as m:
        (gateway,) = m.gateways
        with_retries = Stub(m.open(m.envoy.listener, **{"grpc.service_config": json.dumps(service)}))
        without_retries = Stub(m.open(m.envoy.listener, **{"grpc.enable_retries": 0}))

        def was_retried():
            gateway.vendor.down = True
            wait_until(lambda: pushback_of_open_breaker(m, without_retries) >= 300)
            gateway.vendor.down = False
            assert m.call(with_retries).matches
            # On a slow machine the circuit breaker can be closed before this call.
            return any(line["attempts"] for line in lines(m.envoy.calls))

        wait_until(was_retried, m.envoy)


def pushback_of_open_breaker(m, stub):
    """Returns the pushback in milliseconds; 0 when the vendor was called."""
    (gateway,) = m.gateways
    before = gateway.vendor.requests
    code, error = rejection(lambda: m.call(stub))
    assert code == grpc.StatusCode.UNAVAILABLE, code
    wait = int(dict(error.trailing_metadata()).get(PUSHBACK, 0))
    return wait if gateway.vendor.requests == before else 0


def rejection(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error
    raise AssertionError("the call succeeded")


def lines(file):
    """Returns the JSON lines of a log; the last one can be incomplete."""
    found = []
    for line in file.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


if __name__ == "__main__":
    run(str(pathlib.Path(sys.argv[1]).resolve()))
