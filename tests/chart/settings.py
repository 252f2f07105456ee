"""Values become the gateway's configuration; invalid values are rejected."""

import json
import pathlib
import re
import subprocess
import tempfile
import tomllib

import helm_python
import yaml

from checks import check
from rendered import CHART, SECRET, VALUES, configuration, mount, notes, render, rendered

HASH = "sha256:" + "0" * 64


@check
def the_gateway_accepts_every_rendered_configuration(gateway):
    for name in VALUES:
        with tempfile.TemporaryDirectory() as folder:
            file, variables = mount(rendered(name), pathlib.Path(folder))
            done = gateway.run("config", "check", str(file), variables=variables)
            assert done.returncode == 0, (name, done.stderr)


@check
def the_gateway_rejects_unknown_settings(gateway):
    """Shows that the check above can fail."""
    values = VALUES["embedded"] | {"config": {"limits": {"drain_timeout": "30s", "drian_timeout": "30s"}}}
    with tempfile.TemporaryDirectory() as folder:
        file, variables = mount(list(render(values).values()), pathlib.Path(folder))
        done = gateway.run("config", "check", str(file), variables=variables)
    assert done.returncode != 0 and "drian_timeout" in done.stderr + done.stdout, done


@check
def values_keep_their_types(_):
    read = {name: tomllib.loads(configuration(rendered(name))) for name in VALUES}
    assert read["embedded"]["libraries"]["default"]["capacity"] == 2_000_000
    mtls = read["mtls"]
    assert mtls["telemetry"]["sampling_ratio"] == 0.1
    assert mtls["tenants"]["shop"]["quota"]["requests_per_day"] == 1_000_000
    assert mtls["redis"]["url_file"] == "/run/secrets/samegate/redis/url"
    assert mtls["listen"]["tls"]["client_auth"] == "optional"
    assert [each["secret_key_file"] for each in mtls["libraries"]["cloud"]["credentials"]] == [
        "/run/secrets/samegate/library-cloud-0/secret-key",
        "/run/secrets/samegate/library-cloud-1/secret-key",
    ]
    odd = {"quote": 'a "b" \\ c', "list": [1, 2.5, True, "x"], "line": "a\nb"}
    values = VALUES["embedded"] | {"config": {"auth": odd}}
    assert tomllib.loads(configuration(list(render(values).values())))["auth"] == odd


@check
def no_secret_is_rendered(_):
    for name in VALUES:
        assert "Secret" not in {each["kind"] for each in rendered(name)}
        assert SECRET not in json.dumps(rendered(name))


@check
def a_secret_in_values_is_rejected_and_not_shown(_):
    cloud = {"name": "cloud", "backend": "rest", "credentials": [{"existingSecret": "vendor"}]}
    url = f"redis://user:{SECRET}@redis:6379"
    credential = {"secret_key": SECRET}
    pair = {"api_key": "k", "secret_key": SECRET}
    tenant = {"name": "shop", "libraries": ["cloud"], "apiKeyHashes": [HASH]}
    for values, path in (
        ({"config": {"redis": {"url": url}}}, "config.redis.url"),
        (
            {"libraries": [cloud | {"settings": {"credentials": [credential]}}]},
            "libraries[cloud].settings.credentials[0].secret_key",
        ),
        (
            {"libraries": [{"name": "cloud", "backend": "opensearch", "settings": {"api_key": SECRET}}]},
            "libraries[cloud].settings.api_key",
        ),
        (
            {"tenants": [tenant | {"settings": {"rest_keys": [pair]}}]},
            "tenants[shop].settings.rest_keys[0].secret_key",
        ),
    ):
        message = rejection(values)
        assert path in message and "secretMounts" in message, message
        assert SECRET not in message, message


@check
def values_that_cannot_work_are_rejected_with_advice(_):
    embedded = VALUES["embedded"]
    tenant = {"name": "shop", "libraries": ["cloud"], "apiKeyHashes": [HASH]}
    for values, words in (
        (embedded | {"replicaCount": 2}, "replicaCount: an embedded library runs in one pod"),
        (embedded | {"autoscaling": {"enabled": True}}, "autoscaling.enabled"),
        ({"ingress": {"rest": {"enabled": True}}}, "ingress.rest.hosts: give at least one name"),
        ({"grpcRoute": {"enabled": True}}, "grpcRoute.parentRefs: name at least one gateway"),
        (
            {"service": {"rest": {"enabled": False}},
             "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
            "service.rest.enabled",
        ),
        ({"autoscaling": {"enabled": True, "minReplicas": 11}}, "autoscaling.minReplicas"),
        ({"tenants": [tenant | {"libraries": ["clod"]}]}, "no library is named `clod`; there are: cloud"),
        ({"tenants": [{"name": "shop", "libraries": ["cloud"]}]}, "tenants[shop]: give apiKeys"),
        ({"tenants": [tenant, tenant]}, "tenants: two are named `shop`"),
        ({"libraries": [{"name": "cloud", "backend": "rest"}]}, "libraries[cloud].credentials"),
        ({"libraries": [{"name": "cloud", "backend": "opensearch"}]}, "libraries[cloud].settings"),
        ({"backup": {"enabled": True}}, "backup.enabled: only embedded libraries"),
        (
            VALUES["embedded"] | {"config": {"listen": {"hosts": ["images.example.org"]}}},
            "config.listen.hosts: add `samegate-admin`",
        ),
    ):
        assert words in rejection(values), (words, rejection(values))


@check
def the_schema_names_unknown_and_invalid_values(_):
    for values, path in (
        ({"replicas": 3}, "replicas"),
        ({"service": {"grpc": {"prot": 1}}}, "prot"),
        ({"config": {"limit": {"drain_timeout": "1s"}}}, "limit"),
        ({"config": {"listen": {"grpc": "0.0.0.0:1"}}}, "grpc"),
        ({"libraries": [{"name": "a", "backend": "s3"}]}, "backend"),
        ({"libraries": [{"name": "Upper", "backend": "embedded"}]}, "name"),
        ({"config": {"limits": {"drain_timeout": "30 seconds"}}}, "drain_timeout"),
        ({"service": {"grpc": {"port": 70000}}}, "port"),
        ({"probes": {"liveness": {"periodSeconds": 0}}}, "periodSeconds"),
    ):
        assert path in rejection(values), (path, rejection(values))


@check
def the_schema_knows_every_value_and_rejects_all_others(_):
    schema = json.loads((CHART / "values.schema.json").read_text())
    pairs = [("", schema, yaml.safe_load((CHART / "values.yaml").read_text()))]
    # The gateway checks the keys of these sections itself.
    sections = {".config.limits", ".config.telemetry"}
    while pairs:
        path, part, values = pairs.pop()
        part = resolved(part, schema)
        if not isinstance(values, dict) or "properties" not in part:
            continue
        if path not in sections:
            assert part["additionalProperties"] is False, path
        known = part["properties"]
        assert set(values) <= set(known), (path, set(values) - set(known))
        pairs += [(f"{path}.{key}", known[key], value) for key, value in values.items()]


@check
def the_schema_knows_every_section_of_the_configuration(gateway):
    schema = json.loads((CHART / "values.schema.json").read_text())
    default = gateway.run("config", "default").stdout
    # Including those that are off by default.
    sections = set(tomllib.loads(default)) | set(re.findall(r"^#\[(\w+)\]$", default, re.M))
    sections -= {"libraries", "tenants"}
    assert set(schema["properties"]["config"]["properties"]) == sections


@check
def every_value_has_a_comment(_):
    text = (CHART / "values.yaml").read_text()
    schema = json.loads((CHART / "values.schema.json").read_text())
    lines = text.splitlines()
    pairs, bare = [(yaml.compose(text), schema)], []
    while pairs:
        node, part = pairs.pop()
        for key, value in node.value:
            inner = resolved(part["properties"][key.value], schema)
            if "properties" in inner:
                pairs.append((value, inner))
            elif not re.match(r" *# ", lines[key.start_mark.line - 1]):
                bare.append(key.value)
    assert not bare, bare


@check
def the_chart_has_the_version_of_the_gateway(gateway):
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert gateway.run("--version").stdout.split() == ["samegate", version]


@check
def the_notes_name_the_secrets_to_make_and_the_addresses(_):
    text = notes({})
    for words in ("samegate-vendor", "--from-literal=secret-key=", "samegate-api-keys", "sha256sum",
                  "samegate.images.svc:50051", "helm test -n images samegate"):
        assert words in text, words
    assert "https://" in notes(VALUES["mtls"]) and "helm test" not in notes(VALUES["mtls"])


def resolved(part, schema):
    return schema["definitions"][part["$ref"].split("/")[-1]] if "$ref" in part else part


def rejection(values):
    try:
        render(values)
    except helm_python.HelmError as error:
        return str(error)
    raise AssertionError(f"was rendered: {values}")
