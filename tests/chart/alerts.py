"""Alerts and dashboard: every expression parses, and uses existing metrics.

The metrics come from gateways that run with the rendered configuration; the
labels of a metric come from the list in the gateway's code.
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
# Labels that Prometheus adds: from the target, and of histograms.
ADDED = {"namespace", "job", "pod", "le"}
SUFFIXES = r"_(bucket|count|sum)$"
# Value sets that gateways are started with, and the metrics that exist only after
# an event; all others exist from the start.
RUN = {
    "embedded": ["rpc_server_call_duration_seconds_count"],
    "defaults": ["samegate_upstream_attempt_duration_seconds_count", "samegate_connections"],
    "mtls": ["samegate_tls_handshake_failures_total"],
}
# No connections to other machines, and no waiting.
ISOLATED = {
    "SAMEGATE_LIMITS__WARMUP_TIMEOUT": "0s",
    "SAMEGATE_LIMITS__LAME_DUCK": "0s",
    "SAMEGATE_TELEMETRY__OTLP_ENDPOINT": "http://127.0.0.1:1",
}
VENDOR = {"SAMEGATE_LIBRARIES__CLOUD__BASE_URL": "http://127.0.0.1:1"}
START_LIMIT_S = 30
STOP_LIMIT_S = 60


@check
def gateways_run_with_the_rendered_configuration(gateway):
    for name in RUN:
        assert "samegate_ready 1" in scraped(gateway, name)


@check
def alerts_use_metrics_that_the_gateway_has(gateway):
    rules, has = alert_rules(), exported(gateway)
    assert len(rules) > 5
    for rule in rules:
        check_expression(rule["expr"], has, rule["alert"])


@check
def the_dashboard_uses_every_metric_of_the_gateway(gateway):
    has, used = exported(gateway), set()
    for title, expression in panels():
        used |= check_expression(expression, has, title)
    # A metric that no panel shows is not needed.
    assert used == set(has), set(has) - used


@check
def an_unknown_metric_or_label_is_found(_):
    has = {"samegate_ready": set()}
    for expression in ("samegate_redy", 'samegate_ready{libary="x"}', "sum by (libary) (samegate_ready)"):
        try:
            check_expression(expression, has, "a test")
        except AssertionError:
            continue
        raise AssertionError(f"was accepted: {expression}")


@check
def the_gateway_exports_the_metrics_of_its_list(gateway):
    assert exported(gateway).keys() == listed().keys()


@check
def alerts_select_only_the_pods_of_the_release(_):
    for rule in alert_rules():
        for selector in selectors(promql_parser.parse(rule["expr"])):
            matchers = {each.name: each.value for each in selector.matchers.matchers}
            expected = {"namespace": "images", "job": "images-admin"}
            assert expected.items() <= matchers.items(), rule
    names = {each["metadata"]["name"] for each in of_kind(rendered("everything"), "Service")}
    assert "images-admin" in names, "Prometheus names the job after the Service"


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
                if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
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


def check_expression(expression, has, name_of_user):
    """Fails unless metrics and labels exist; returns the metrics."""
    tree = promql_parser.parse(expression)
    used, labels = set(), grouping(tree)
    for selector in selectors(tree):
        name = selector.name if selector.name in has else re.sub(SUFFIXES, "", selector.name)
        assert name in has, f"{name_of_user}: no metric {selector.name}"
        used.add(name)
        for matcher in selector.matchers.matchers:
            assert matcher.name in has[name] | ADDED, f"{name_of_user}: {name} has no label {matcher.name}"
    known = set().union(*(has[name] for name in used)) | ADDED
    assert labels <= known, f"{name_of_user}: {labels - known}"
    return used


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


def exported(gateway):
    """Labels by metric, of those that gateways export."""
    labels, found = listed(), {}
    for run in RUN:
        for family, kind in re.findall(r"^# TYPE (\w+) (\w+)$", scraped(gateway, run), re.MULTILINE):
            name = family + {"counter": "_total", "info": "_info"}.get(kind, "")
            assert name in labels, f"{name} is not in {NAMES}"
            found[name] = labels[name]
    return found


@functools.cache
def scraped(gateway, name):
    """Starts a gateway with the rendered configuration, and reads its metrics after a
    request to each API; it must also stop with status 0."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        folder = pathlib.Path(folder)
        file, variables = mount(rendered(name), folder)
        listeners = [f"127.0.0.1:{port}" for port in free_ports(3)]
        flags = [flag for pair in zip(("--grpc", "--rest", "--admin"), listeners) for flag in pair]
        arguments = ["serve", "--config", str(file), *flags]
        variables = variables | ISOLATED | (VENDOR if name != "embedded" else {})
        process = gateway.start(*arguments, folder=folder, variables=variables, log=log)
        try:
            wait_for(process, log, lambda: fetched(listeners[2], "/readyz"))
            metrics = wait_for(process, log, lambda: busy_metrics(listeners, name))
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_LIMIT_S) == 0
        finally:
            process.kill()
            process.wait()
        return metrics


def busy_metrics(listeners, name):
    """The metrics once they count the requests; else nothing."""
    for listener in listeners[:2]:
        # An unknown path, and with TLS a failed handshake.
        fetched(listener, "/")
    text = fetched(listeners[2], "/metrics") or ""
    return text if all(f"\n{metric}" in text for metric in RUN[name]) else None


def fetched(listener, path):
    try:
        # The format that Prometheus asks for, with the type of info metrics.
        accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
        request = urllib.request.Request(f"http://{listener}{path}", headers=accept)
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.read().decode()
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
