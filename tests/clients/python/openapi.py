"""The OpenAPI document is valid, and so are requests and responses by it.

Usage: openapi.py HOST:PORT IMAGE_FOLDER
"""

import base64
import json
import pathlib
import sys
import urllib.error
import urllib.request

from checks import check, run
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator

TIMEOUT_S = 60
SERVICE = "/samegate.v1.SameImageService/"
ERROR = {"$ref": "#/components/schemas/connect.Error"}


class Gateway:
    def __init__(self, target, images):
        self.url = f"http://{target}"
        self.images = images
        with urllib.request.urlopen(f"{self.url}/openapi.json", timeout=TIMEOUT_S) as response:
            self.document = json.load(response)

    def validate(self, message, schema):
        """Raises an error when a message is not as a schema of the document says."""
        # References lead to the root of the schema.
        schema = {**schema, "components": self.document["components"]}
        Draft202012Validator(schema).validate(message)

    def call(self, method, request):
        """Calls a method; validates the request and the response, and returns the latter."""
        operation = self.document["paths"][SERVICE + method]["post"]
        json_of = lambda part: part["content"]["application/json"]["schema"]  # noqa: E731
        self.validate(request, json_of(operation["requestBody"]))
        response = self.post(method, request)
        self.validate(response, json_of(operation["responses"]["200"]))
        assert "code" not in response, response
        return response

    def post(self, method, request):
        body = json.dumps(request).encode()
        headers = {"content-type": "application/json"}
        post = urllib.request.Request(self.url + SERVICE + method, body, headers)
        try:
            with urllib.request.urlopen(post, timeout=TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            return json.load(error)


@check
def the_document_is_valid(gateway):
    OpenAPIV31SpecValidator(gateway.document).validate()


@check
def requests_and_responses_are_as_the_document_says(gateway):
    image = base64.b64encode(sorted(gateway.images.iterdir())[0].read_bytes()).decode()
    added = gateway.call("AddImage", {"content": image, "brief": "b", "tags": [1]})
    sign = added["contSign"]
    gateway.call("SearchImages", {"content": image, "tagLogic": "TAG_LOGIC_OR"})
    gateway.call("CompareImages", {"first": {"content": image}, "second": {"contSign": sign}})
    gateway.call("UpdateImage", {"contSign": sign, "tags": {"values": [2]}})
    gateway.call("ListImages", {"thumbnails": True, "order": "LIST_ORDER_NEWEST_FIRST"})
    gateway.call("GetImage", {"contSign": sign})
    gateway.call("ListTags", {})
    gateway.call("GetLibrary", {})
    gateway.call("ListLibraries", {})
    deleted = gateway.call("DeleteImages", {"contSigns": {"values": [sign, "0"]}})
    assert len(deleted["results"]) == 2, deleted


@check
def an_error_is_as_the_document_says(gateway):
    error = gateway.post("GetImage", {"contSign": "0"})
    gateway.validate(error, ERROR)
    assert error["code"] == "not_found", error


@check
def a_request_with_two_sources_or_none_is_not(gateway):
    schema = {"$ref": "#/components/schemas/SearchImagesRequest"}
    for request in [{}, {"url": "https://a.test", "contSign": "0"}]:
        try:
            gateway.validate(request, schema)
        except ValidationError:
            continue
        raise AssertionError(request)


def main(target, images):
    run(Gateway(target, pathlib.Path(images)))


if __name__ == "__main__":
    main(*sys.argv[1:])
