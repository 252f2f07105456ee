"""Puts a real Envoy in front of gateways, and calls through it.

Usage: [RESTARTS=10] run.py GATEWAY_BINARY

Each check has a mesh of its own: two gateways with a vendor each, which only
take calls of the mesh's certificate, and an Envoy between them and a client.
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
import images  # noqa: E402
import proxy  # noqa: E402
from checks import check, run  # noqa: E402
from contract import details, stubs  # noqa: E402
from parts import LIMIT_S, Certificates, Envoy, Gateway, wait_until  # noqa: E402

IMAGE = images.png(1)
PUSHBACK = "grpc-retry-pushback-ms"
CALLERS = 4
RESTARTS = int(os.environ.get("RESTARTS", 10))
pb, Stub = stubs(ROOT / "proto")


class Mesh:
    """Gateways behind an Envoy; `call` goes through it."""

    def __init__(self, gateways, envoy, certificates, stack):
        self.gateways, self.envoy, self.certificates = gateways, envoy, certificates
        self.stack = stack
        self.channel = self.open(envoy.door)
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
        return (stub or self.stub).SearchImages(request, timeout=LIMIT_S, **options)

    def served(self):
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
def calls_of_every_kind_arrive_at_both_gateways(binary):
    with mesh(binary) as m:
        wait_until(lambda: m.call().matches[0].brief == "mesh" and all(m.served()))

        def requests():
            yield pb.AddImagesRequest(options=pb.AddImagesOptions())
            for number in range(3):
                item = pb.AddImagesItem(key=str(number), content=images.png(number))
                yield pb.AddImagesRequest(item=item)

        *events, last = m.stub.AddImages(requests(), timeout=LIMIT_S)
        keys = {event.result.key for event in events if event.WhichOneof("event") == "result"}
        assert (keys, last.summary.added) == ({"0", "1", "2"}, 3), (events, last)
        health = health_pb2_grpc.HealthStub(m.channel)
        answer = health.Check(health_pb2.HealthCheckRequest(service=proxy.SERVICE), timeout=LIMIT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@check
def services_without_a_route_do_not_arrive(binary):
    with mesh(binary, gateways=1) as m:
        call = m.channel.unary_unary("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        code, _ = rejection(lambda: call(b"", timeout=LIMIT_S))
        assert code == grpc.StatusCode.UNIMPLEMENTED, code


@check
def rejections_arrive_whole(binary):
    with mesh(binary, gateways=1) as m:
        request = pb.SearchImagesRequest(content=b"no image", limit=2000)
        code, error = rejection(lambda: m.stub.SearchImages(request, timeout=LIMIT_S))
        assert code == grpc.StatusCode.INVALID_ARGUMENT, code
        fields = {each.field for each in details(error)["BadRequest"].field_violations}
        assert fields == {"content", "limit"}, fields


@check
def a_gateway_takes_calls_of_the_mesh_only(binary):
    with mesh(binary, gateways=1) as m:
        assert m.call().matches
        address = m.gateways[0].grpc
        known = m.open(address, m.certificates.credentials(proxy.MESH))
        assert m.call(Stub(known)).matches
        stranger = m.open(address, m.certificates.credentials("stranger.test"))
        code, error = rejection(lambda: m.call(Stub(stranger)))
        assert code == grpc.StatusCode.PERMISSION_DENIED, code
        assert details(error)["ErrorInfo"].reason == "IDENTITY_UNKNOWN"
        for channel in (m.open(address, m.certificates.credentials()), m.open(address)):
            code, _ = rejection(lambda: m.call(Stub(channel)))
            assert code == grpc.StatusCode.UNAVAILABLE, code


@check
def a_trace_goes_through_to_the_vendor(binary):
    with mesh(binary, gateways=1) as m:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        m.call(metadata=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
        (gateway,) = m.gateways
        (seen,) = gateway.vendor.traces
        assert seen.split("-")[1] == trace, seen
        wait_until(lambda: any(trace == line.get("trace_id") for line in lines(gateway.log)))


@check
def a_gateway_drains_without_a_failed_call(binary):
    with mesh(binary) as m:
        leaving, staying = m.gateways
        with calling(lambda _: m.call()):
            wait_until(lambda: all(m.served()))
            leaving.begin_to_stop()
            # Its health says no while it still serves: no call is lost between.
            wait_until(lambda: m.envoy.healthy() == {staying.grpc}, m.envoy)
            assert leaving.process.wait(LIMIT_S) == 0
            before = m.served()
            wait_until(lambda: staying.vendor.calls > before[1] + 20)
            assert leaving.vendor.calls == before[0]
            leaving.start()
            wait_until(lambda: leaving.vendor.calls > before[0] + 20, m.envoy)


@check
def restarts_in_turn_cost_clients_that_follow_goaway_no_call(binary):
    with mesh(binary, limits='lame_duck = "0s"') as m:
        # Past Envoy, so that nobody but the clients reads the GOAWAY.
        both = "ipv4:" + ",".join(gateway.grpc for gateway in m.gateways)
        shown = m.certificates.credentials(proxy.MESH)
        options = {
            "grpc.lb_policy_name": "round_robin",
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.min_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 100,
            # Else all channels share one connection.
            "grpc.use_local_subchannel_pool": 1,
        }
        clients = [Stub(m.open(both, shown, **options)) for _ in range(CALLERS)]
        with calling(lambda number: m.call(clients[number])) as answered:
            wait_until(lambda: all(served > 20 for served in m.served()))
            for number in range(RESTARTS):
                gateway = m.gateways[number % 2]
                gateway.begin_to_stop()
                assert gateway.process.wait(LIMIT_S) == 0
                before = gateway.vendor.calls
                gateway.start()
                wait_until(lambda: gateway.vendor.calls > before + 20, gateway)
        print(f"  {RESTARTS} restarts, {len(answered)} calls", flush=True)


@contextlib.contextmanager
def calling(call):
    """Calls without a pause from several threads, of which none may fail."""
    answered, failures, stop = [], [], threading.Event()

    def calls(number):
        while not stop.is_set():
            try:
                answered.append(call(number))
            except grpc.RpcError as error:
                failures.append((error.code(), error.details()))

    callers = [threading.Thread(target=calls, args=[number]) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield answered
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert not failures, f"{len(failures)} beside {len(answered)}: {failures[:5]}"


@check
def a_gateway_whose_vendor_is_away_stays_healthy_and_is_ejected(binary):
    with mesh(binary, outliers=True) as m:
        away, well = m.gateways
        away.vendor.down = True

        def ejected():
            with contextlib.suppress(grpc.RpcError):
                m.call()
            return m.envoy.hosts()[away.grpc]

        wait_until(ejected, m.envoy)
        # Not for its health: an outage of the vendor restarts nothing.
        assert m.envoy.hosts() == {away.grpc: {"failed_outlier_check"}, well.grpc: set()}
        assert away.is_ready()
        before = well.vendor.calls
        for _ in range(20):
            m.call()
        assert well.vendor.calls == before + 20


@check
def unavailable_is_repeated_at_another_gateway(binary):
    with mesh(binary, retry=proxy.RETRY_UNAVAILABLE) as m:
        away, well = m.gateways
        away.vendor.down = True
        for _ in range(20):
            m.call()
        assert well.vendor.calls == 20
        assert m.envoy.stat("cluster.samegate.upstream_rq_retry_success") >= 9


@check
def a_client_that_honours_the_pushback_gets_through_an_open_breaker(binary):
    """Its own waits are so short that all attempts would be over before the
    breaker probes: only the wait that the gateway names can help."""
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
        patient = Stub(m.open(m.envoy.door, **{"grpc.service_config": json.dumps(service)}))
        plain = Stub(m.open(m.envoy.door, **{"grpc.enable_retries": 0}))

        def was_repeated():
            gateway.vendor.down = True
            wait_until(lambda: wait_of_open_breaker(m, plain) >= 300)
            gateway.vendor.down = False
            assert m.call(patient).matches
            # On a slow machine the breaker may be closed before this call.
            return any(line["attempts"] for line in lines(m.envoy.calls))

        wait_until(was_repeated, m.envoy)


def wait_of_open_breaker(m, stub):
    """Milliseconds that a rejection names; 0 when the vendor was asked."""
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
    raise AssertionError("was answered")


def lines(file):
    """The JSON lines of a log; its last one may be half written."""
    found = []
    for line in file.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


if __name__ == "__main__":
    run(str(pathlib.Path(sys.argv[1]).resolve()))
