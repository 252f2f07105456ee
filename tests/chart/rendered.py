"""Renders the chart with one set of values, and mounts its files as a kubelet does."""

import functools
import pathlib
import re

import helm_python
import trustme
import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "helm" / "samegate"
RELEASE, NAMESPACE = "samegate", "images"
# Value sets by name; those in `ci` are also examples for users.
VALUES = {"defaults": {}} | {
    file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text())
    for file in sorted((CHART / "ci").glob("*-values.yaml"))
}
# Contents of Secrets by key; for any other key it is SECRET and their name.
SECRET = "canary-secret"
CONTENTS = {
    "default": "sha256:" + "0" * 64,
    "back-office": f"sha256:{'1' * 64},sha256:{'2' * 64}",
    "shop-key": "sha256:" + "3" * 64,
    "url": f"redis://user:{SECRET}@127.0.0.1:1/0",
    "jwks.json": '{"keys": []}',
    "password": SECRET,
    "ca.crt": SECRET,
}
# Files of Secrets that are mounted with all keys.
WHOLE = {"redis": ["url"], "jwks": ["jwks.json"], "opensearch": ["password", "ca.crt"]}


def render(values, name=RELEASE):
    """Objects by kind and name. Fails as `helm template` does."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=name, namespace=NAMESPACE)
    texts = (text for file, text in files.items() if not file.endswith("NOTES.txt"))
    objects = (each for text in texts for each in yaml.safe_load_all(text) if each)
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def notes(values):
    with helm_python.Chart.load(CHART) as chart:
        return chart.render(values, name=RELEASE, namespace=NAMESPACE)["samegate/templates/NOTES.txt"]


@functools.cache
def rendered(name):
    """Objects of one of VALUES, as a list."""
    return list(render(VALUES[name]).values())


def of_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def workload(objects):
    (found,) = of_kind(objects, "Deployment") + of_kind(objects, "StatefulSet")
    return found


def pod(objects):
    return workload(objects)["spec"]["template"]["spec"]


def container(objects):
    (found,) = [each for each in pod(objects)["containers"] if each["name"] == "samegate"]
    return found


def configuration(objects):
    """The text of the gateway's file."""
    (found,) = [each for each in of_kind(objects, "ConfigMap") if "samegate.toml" in each["data"]]
    return found["data"]["samegate.toml"]


def mount(objects, folder):
    """Writes the mounted files of the pod below `folder`; returns the file and the
    variables."""
    volumes = {each["name"]: each for each in pod(objects)["volumes"]}
    for each in container(objects)["volumeMounts"]:
        path = folder / each["mountPath"].strip("/")
        path.mkdir(parents=True, exist_ok=True)
        fill(path, volumes.get(each["name"], {}).get("secret"))
    file = folder / "samegate.toml"
    file.write_text(re.sub(r'"(/(run|var)/)', rf'"{folder}\1', configuration(objects)))
    return file, variables(objects)


def fill(folder, secret):
    if secret is None:
        return
    if items := secret.get("items"):
        for item in items:
            (folder / item["path"]).write_text(content(secret["secretName"], item["key"]))
    elif folder.name == "tls":
        issuer = trustme.CA()
        own = issuer.issue_cert("localhost")
        own.private_key_pem.write_to_path(folder / "tls.key")
        own.cert_chain_pems[0].write_to_path(folder / "tls.crt")
        issuer.cert_pem.write_to_path(folder / "ca.crt")
    else:
        for name in WHOLE[folder.name]:
            (folder / name).write_text(CONTENTS[name])


def variables(objects):
    found = {}
    for each in container(objects).get("env", []):
        source = each.get("valueFrom", {}).get("secretKeyRef")
        found[each["name"]] = content(**source) if source else each["value"]
    return found


def content(name, key):
    return CONTENTS.get(key, f"{SECRET}-{name}")
