"""Alerts and dashboard: every expression parses, and asks for what there is.

What there is comes from a gateway that runs with what the chart renders; the
labels of a metric come from the list in its code.
"""

import functools
import http.client
import json
import pathlib
import re
import signal
import tempfile
import time
import urllib.request

import promql_parser

from checks import check
from ports import free_ports
from rendered import CHART, mount, of_kind, rendered

ROOT = CHART.parents[1]
NAMES = ROOT / "src" / "telemetry" / "names.rs"
RUNBOOKS = ROOT / "docs" / "kubernetes.md"
# That Prometheus itself adds: from the target, and from a histogram.
ADDED = {"namespace", "job", "pod", "le"}
SUFFIXES = r"_(bucket|count|sum)$"
# Value sets that gateways are started with, and what their metrics begin to
# tell of once something has happened; the others are there from the start.
RUN = {
    "embedded": ["rpc_server_call_duration_seconds_count"],
    "defaults": ["samegate_upstream_attempt_duration_seconds_count", "samegate_connections"],
    "mtls": ["samegate_tls_handshake_failures_total"],
}
# Nothing outside of this machine is asked, and nothing is waited for.
ALONE = {
    "SAMEGATE_LIMITS__WARMUP_TIMEOUT": "0s",
    "SAMEGATE_LIMITS__LAME_DUCK": "0s",
    "SAMEGATE_TELEMETRY__OTLP_ENDPOINT": "http://127.0.0.1:1",
}
VENDOR = {"SAMEGATE_LIBRARIES__CLOUD__BASE_URL": "http://127.0.0.1:1"}
START_LIMIT_S = 30
STOP_LIMIT_S = 60


@check
def gateways_run_with_what_the_chart_renders(gateway):
    for name in RUN:
        assert "samegate_ready 1" in scraped(gateway, name)


@check
def alerts_ask_for_metrics_that_the_gateway_has(gateway):
    rules, has = alert_rules(), shown(gateway)
    assert len(rules) > 5
    for rule in rules:
        hold(rule["expr"], has, rule["alert"])


@check
def the_dashboard_asks_for_metrics_that_the_gateway_has(gateway):
    has, asked = shown(gateway), set()
    for title, expression in panels():
        asked |= hold(expression, has, title)
    # What nobody looks at need not be told.
    assert asked == set(has), set(has) - asked


@check
def a_metric_or_label_that_there_is_not_is_found(_):
    has = {"samegate_ready": set()}
    for expression in ("samegate_redy", 'samegate_ready{libary="x"}', "sum by (libary) (samegate_ready)"):
        try:
            hold(expression, has, "a test")
        except AssertionError:
            continue
        raise AssertionError(f"was taken: {expression}")


@check
def the_gateway_has_the_metrics_of_its_list(gateway):
    assert shown(gateway).keys() == listed().keys()


@check
def alerts_watch_the_pods_of_the_release_only(_):
    for rule in alert_rules():
        for selector in selectors(promql_parser.parse(rule["expr"])):
            matchers = {each.name: each.value for each in selector.matchers.matchers}
            wanted = {"namespace": "images", "job": "images-admin"}
            assert wanted.items() <= matchers.items(), rule
    names = {each["metadata"]["name"] for each in of_kind(rendered("everything"), "Service")}
    assert "images-admin" in names, "Prometheus names the job as the Service"


@check
def every_alert_has_a_severity_a_summary_and_a_runbook(_):
    headings = re.findall(r"^#+ (.*)$", RUNBOOKS.read_text(), re.MULTILINE)
    for rule in alert_rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule
        assert rule["annotations"]["summary"].endswith("."), rule
        assert rule["annotations"]["runbook_url"].endswith(f"#{rule['alert'].lower()}"), rule
        assert rule["alert"] in headings, (rule["alert"], headings)


@check
def the_dashboard_is_found_by_grafana(_):
    (found,) = [each for each in of_kind(rendered("everything"), "ConfigMap")
                if each["metadata"]["labels"].get("grafana_dashboard") == "1"]
    dashboard = json.loads(found["data"]["samegate.json"])
    assert dashboard == json.loads((CHART / "files" / "dashboard.json").read_text())
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def alert_rules():
    (rules,) = of_kind(rendered("everything"), "PrometheusRule")
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


def panels():
    """Titles and expressions, with Grafana's variables filled in."""
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def hold(expression, has, place):
    """Fails unless metrics and labels exist; returns the metrics."""
    tree = promql_parser.parse(expression)
    asked, labels = set(), grouping(tree)
    for selector in selectors(tree):
        name = selector.name if selector.name in has else re.sub(SUFFIXES, "", selector.name)
        assert name in has, f"{place}: no metric {selector.name}"
        asked.add(name)
        for matcher in selector.matchers.matchers:
            assert matcher.name in has[name] | ADDED, f"{place}: {name} has no label {matcher.name}"
    known = set().union(*(has[name] for name in asked)) | ADDED
    assert labels <= known, f"{place}: {labels - known}"
    return asked


def walk(node):
    yield node
    for key in ("expr", "lhs", "rhs", "param", "vector_selector", "vs"):
        if isinstance(inner := getattr(node, key, None), promql_parser.Expr):
            yield from walk(inner)
    for argument in getattr(node, "args", None) or []:
        yield from walk(argument)


def selectors(tree):
    return [node for node in walk(tree) if isinstance(node, promql_parser.VectorSelector)]


def grouping(tree):
    """Labels of `by (…)` and `on (…)`."""
    labels = set()
    for node in walk(tree):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.BinaryExpr) and modifier:
            modifier = modifier.matching
        labels |= set(modifier.labels) if modifier else set()
    return labels


def listed():
    """Labels by metric, from the code."""
    text = NAMES.read_text()
    shared = dict(re.findall(r"^const (\w+): &\[&str\] = &\[(.*?)\];", text, re.MULTILINE))
    found = {}
    for name, labels in re.findall(r'\bmetric\(\s*"(\w+)",\s*"[^"]*",\s*(\w+|&\[.*?\]),?\s*\)', text, re.DOTALL):
        found[name] = set(re.findall(r'"(\w+)"', shared.get(labels, labels)))
    return found


def shown(gateway):
    """Labels by metric, of those that gateways show."""
    labels, found = listed(), {}
    for run in RUN:
        for family, kind in re.findall(r"^# TYPE (\w+) (\w+)$", scraped(gateway, run), re.MULTILINE):
            name = family + {"counter": "_total", "info": "_info"}.get(kind, "")
            assert name in labels, f"{name} is not in {NAMES}"
            found[name] = labels[name]
    return found


@functools.cache
def scraped(gateway, name):
    """Starts a gateway in what the chart renders, and reads its metrics after a
    request to each door; it must also end well."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        folder = pathlib.Path(folder)
        file, variables = mount(rendered(name), folder)
        doors = [f"127.0.0.1:{port}" for port in free_ports(3)]
        flags = [flag for pair in zip(("--grpc", "--rest", "--admin"), doors) for flag in pair]
        arguments = ["serve", "--config", str(file), *flags]
        variables = variables | ALONE | (VENDOR if name != "embedded" else {})
        process = gateway.start(*arguments, folder=folder, variables=variables, log=log)
        try:
            wait_for(process, log, lambda: fetched(doors[2], "/readyz"))
            metrics = wait_for(process, log, lambda: busy_metrics(doors, name))
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_LIMIT_S) == 0
        finally:
            process.kill()
            process.wait()
        return metrics


def busy_metrics(doors, name):
    """The metrics once they tell of what was done; else nothing."""
    for door in doors[:2]:
        # A call that nobody serves, and where there is TLS a bad handshake.
        fetched(door, "/")
    text = fetched(doors[2], "/metrics") or ""
    return text if all(f"\n{metric}" in text for metric in RUN[name]) else None


def fetched(door, path):
    try:
        with urllib.request.urlopen(f"http://{door}{path}", timeout=5) as answer:
            return answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None


def wait_for(process, log, condition):
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        if process.poll() is not None:
            log.seek(0)
            raise AssertionError(f"ended with status {process.returncode}: {log.read()}")
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {START_LIMIT_S} s")
