"""Which calls the Python package retries, and for how long. Part of package.py."""

import json
import pathlib
import queue
import re
import sys
import threading
import time
import traceback

import grpc

import images
from checks import check
from gateways import LIMIT_S, equal, wait_until
from rejecting import failure, rejected, rejecting
from samegate.client import IDEMPOTENT

CLIENTS = pathlib.Path(__file__).resolve().parents[3] / "clients"
RESOURCE_EXHAUSTED, UNAVAILABLE = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE


@check
def what_may_have_been_carried_out_is_not_sent_again(_):
    failures = failure(UNAVAILABLE), failure(UNAVAILABLE, "VENDOR_UNAVAILABLE", 0.001)
    for first in failures:
        with rejecting(first) as (client, served):
            equal(rejected(client.add, images.png(1)).code, UNAVAILABLE)
            equal(served.calls, ["AddImage"])
    with rejecting(*failures) as (client, served):
        equal(client.info().image_count, 3)
        equal(served.calls, ["GetLibrary"] * 3)


@check
def a_rejected_call_is_sent_four_times_in_all(_):
    with rejecting(*[failure(RESOURCE_EXHAUSTED, "OVERLOADED", 0.001)] * 5) as (client, served):
        equal(rejected(client.add, images.png(1)).reason, "OVERLOADED")
        equal(served.calls, ["AddImage"] * 4)


@check
def a_wait_that_ends_after_the_deadline_is_not_begun(_):
    with rejecting(failure(RESOURCE_EXHAUSTED, "QUOTA_RATE_EXCEEDED", 2 * LIMIT_S)) as (client, served):
        begin = time.monotonic()
        late = rejected(client.info)
        equal((late.reason, late.retry_after), ("QUOTA_RATE_EXCEEDED", 2 * LIMIT_S))
        assert time.monotonic() - begin < LIMIT_S
        equal(served.calls, ["GetLibrary"])


@check
def an_error_without_a_wait_is_not_retried(_):
    with rejecting(failure(RESOURCE_EXHAUSTED, "OF_A_LATER_VERSION")) as (client, served):
        equal(rejected(client.info).reason, "OF_A_LATER_VERSION")
        equal(served.calls, ["GetLibrary"])


@check
def a_deadline_of_the_call_counts_in_place_of_the_clients(_):
    with rejecting(failure(RESOURCE_EXHAUSTED, "OVERLOADED", 1)) as (client, served):
        equal(rejected(client.info, timeout=0.5).reason, "OVERLOADED")
        equal(served.calls, ["GetLibrary"])


@check
def a_client_that_closes_ends_the_wait_for_a_retry(_):
    with rejecting(failure(RESOURCE_EXHAUSTED, "OVERLOADED", LIMIT_S / 2)) as (client, served):
        begin, errors = time.monotonic(), queue.SimpleQueue()
        caller = threading.Thread(target=lambda: errors.put(rejected(client.info)))
        caller.start()
        # The caller waits in the package, not for a response.
        wait_until(lambda: served.calls and is_in(caller, "wait"))
        client.close()
        equal(errors.get(timeout=LIMIT_S).code, grpc.StatusCode.CANCELLED)
        equal(served.calls, ["GetLibrary"])
        assert time.monotonic() - begin < LIMIT_S / 2


def is_in(thread, function):
    frames = sys._current_frames().get(thread.ident)
    return any(frame.f_code.co_name == function for frame, _ in traceback.walk_stack(frames))


@check
def a_retry_that_meets_the_deadline_reports_the_rejection_before_it(_):
    failures = failure(RESOURCE_EXHAUSTED, "OVERLOADED", 0.001), failure(grpc.StatusCode.DEADLINE_EXCEEDED)
    with rejecting(*failures, *failures) as (client, served):
        equal(rejected(client.info).reason, "OVERLOADED")
        # The last attempt of an addition may have been carried out.
        equal(rejected(client.add, images.png(1)).code, grpc.StatusCode.DEADLINE_EXCEEDED)
        equal(served.calls, ["GetLibrary"] * 2 + ["AddImage"] * 2)


@check
def what_no_gateway_has_rejected_is_sent_again_only_if_it_is_idempotent(_):
    with rejecting(failure(RESOURCE_EXHAUSTED)) as (client, served):
        equal(client.info().image_count, 3)
        served.failures.append(failure(RESOURCE_EXHAUSTED))
        equal(rejected(client.add, images.png(1)).code, RESOURCE_EXHAUSTED)
        equal(served.calls, ["GetLibrary"] * 2 + ["AddImage"])


@check
def a_wait_of_zero_means_that_a_retry_helps_and_a_negative_pushback_that_none_does(_):
    busy = failure(RESOURCE_EXHAUSTED, "OVERLOADED", 0)
    with rejecting(busy) as (client, served):
        client.add(images.png(1))
        equal(served.calls, ["AddImage"] * 2)
    with rejecting(busy, trailer=[("grpc-retry-pushback-ms", "-1")]) as (client, served):
        assert not rejected(client.info).is_transient
        equal(served.calls, ["GetLibrary"])


@check
def the_packages_and_the_service_config_agree_on_what_is_idempotent(_):
    config = json.loads((CLIENTS / "service_config.json").read_text())
    idempotent = sorted(
        name["method"]
        for methods in config["methodConfig"]
        if "UNAVAILABLE" in methods["retryPolicy"]["retryableStatusCodes"]
        for name in methods["name"]
    )
    equal(sorted(each.DESCRIPTOR.name.removesuffix("Request") for each in IDEMPOTENT), idempotent)
    java = "java/src/main/java/com/samegate/client/Calls.java"
    lists = {
        "go/retry.go": r"SameImageService_(\w+)_FullMethodName",
        "node/src/channel.ts": r'^  "(\w+)",$',
        java: r'^                    "(\w+)"',
    }
    for file, method in lists.items():
        equal(sorted(re.findall(method, (CLIENTS / file).read_text(), re.M)), idempotent)
