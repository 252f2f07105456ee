"""The objects that the documentation shows."""

import re

import yaml

from checks import check
from objects import PORTS, custom_errors
from rendered import CHART

ROOT = CHART.parents[1]
# No package contains its definitions.
UNCHECKED = {"policy.linkerd.io/v1beta3"}
SERVICE = "samegate.v1.SameImageService"


@check
def objects_of_the_documentation_are_valid(_):
    objects = documented()
    kinds = {each["kind"] for each in objects}
    for kind in ("GRPCRoute", "Gateway", "BackendTLSPolicy", "DestinationRule", "VirtualService"):
        assert kind in kinds, kind
    checked = [each for each in objects if each["apiVersion"] not in UNCHECKED]
    for each, errors in zip(checked, custom_errors(checked)):
        assert not errors, (each["kind"], each["metadata"]["name"], errors)


@check
def objects_of_the_documentation_name_services_and_methods_that_exist(_):
    proto = (ROOT / "proto" / "samegate" / "v1" / "same_image.proto").read_text()
    methods = set(re.findall(r"^  rpc (\w+)\(", proto, re.MULTILINE))
    text = "\n".join(yaml.safe_dump(each) for each in documented())
    assert set(re.findall(rf"/{SERVICE}/(\w+)", text)) | set(
        re.findall(r"\bmethod: (\w+)$", text, re.MULTILINE)
    ) <= methods
    ports = {int(port) for port in re.findall(r"\b(?:port|number): (\d+)$", text, re.MULTILINE)}
    assert ports <= {*PORTS.values(), 443}, ports
    assert {"SearchImages", "AddImages"} <= methods and f"service: {SERVICE}" in text


def documented():
    text = (ROOT / "docs" / "mesh.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    return [each for block in blocks for each in yaml.safe_load_all(block)]
