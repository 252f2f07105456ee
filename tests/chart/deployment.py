"""What docs/deployment.md shows: variables of containers, a configuration file, a unit of systemd."""

import pathlib
import re
import subprocess
import tempfile
import time

import yaml

from checks import check
from ports import free_ports
from rendered import CHART

TEXT = (CHART.parents[1] / "docs" / "deployment.md").read_text()
DIGEST = "sha256:" + "0" * 64
PREFIX = "SAMEGATE_"
LIMIT_S = 30


@check
def the_variables_of_a_container_start_a_gateway_that_is_healthy(gateway):
    variables = {
        **compose()["environment"],
        **{f"{PREFIX}LISTEN__{name}": f"0.0.0.0:{port}" for name, port in ports().items()},
        f"{PREFIX}TENANTS__LOCAL__API_KEYS": DIGEST,
    }
    port = variables[f"{PREFIX}LISTEN__GRPC"].rpartition(":")[2]
    with tempfile.TemporaryDirectory() as folder:
        variables[f"{PREFIX}LIBRARIES__DEFAULT__DATA_DIR"] = folder
        log = pathlib.Path(folder) / "log"
        with log.open("w") as output:
            process = gateway.start("serve", folder=folder, variables=variables, log=output)
        try:
            health = ["health", "--endpoint", f"http://127.0.0.1:{port}"]
            limit = time.monotonic() + LIMIT_S
            while gateway.run(*health).returncode != 0:
                assert process.poll() is None and time.monotonic() < limit, log.read_text()
        finally:
            process.kill()
            process.wait()


@check
def docker_run_and_compose_are_the_same_container(_):
    service = compose()
    (run,) = re.findall(r"^docker run (.*?)^    samegate$", TEXT, re.MULTILINE | re.DOTALL)
    options = re.findall(r"--([a-z-]+)[ \n]([^- \\][^ \\\n]*)?", run)
    given = {}
    for name, value in options:
        given.setdefault(name, []).append(value)
    variables = dict(each.split("=", 1) for each in given["env"])
    extra = {f"{PREFIX}TELEMETRY__LOG_FORMAT": "json"}
    assert variables | extra == service["environment"], variables
    assert given["publish"] == service["ports"], given
    assert given["volume"] == service["volumes"], given
    assert given["stop-timeout"] == [service["stop_grace_period"].rstrip("s")], given
    assert given["restart"] == [service["restart"]] and service["read_only"], given
    assert given["cap-drop"] == service["cap_drop"], given


@check
def the_configuration_file_is_valid(gateway):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(block("toml").replace("sha256:DIGEST", DIGEST))
        file.flush()
        done = gateway.run("config", "check", file.name)
    assert done.returncode == 0, done.stderr


@check
def systemd_accepts_the_unit(gateway):
    unit = block("ini")
    assert "serve --config /etc/samegate.toml" in unit
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "samegate.service"
        file.write_text(unit.replace("/usr/bin/samegate", gateway.binary))
        verify = ["systemd-analyze", "verify", file]
        done = subprocess.run(verify, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0 and not done.stderr, done.stderr


def compose():
    (service,) = yaml.safe_load(block("yaml"))["services"].values()
    return service


def block(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return text


def ports():
    return dict(zip(("GRPC", "REST", "ADMIN"), free_ports(3)))
