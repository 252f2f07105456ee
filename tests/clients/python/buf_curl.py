"""`buf curl` without a contract: it asks reflection for it, and prints the details of errors.

Usage: buf_curl.py HOST:PORT BUF
"""

import base64
import json
import subprocess
import sys

from checks import check, run
from google.rpc import error_details_pb2

TIMEOUT_S = 60


@check
def a_call_is_made_by_reflection(call):
    status, printed = call("GetLibrary", "{}")
    assert (status, printed["library"]) == (0, "default"), printed


@check
def an_invalid_call_prints_reason_and_fields(call):
    status, printed = call("AddImage", '{"tags": [1, 2, 3]}')
    assert status != 0 and printed["code"] == "invalid_argument", printed
    found = {detail["type"]: unpadded(detail["value"]) for detail in printed["details"]}
    info = error_details_pb2.ErrorInfo.FromString(found["google.rpc.ErrorInfo"])
    assert (info.domain, info.reason) == ("samegate", "MISSING_PARAMETER"), info
    request = error_details_pb2.BadRequest.FromString(found["google.rpc.BadRequest"])
    fields = [violation.field for violation in request.field_violations]
    assert fields == ["source", "tags"], fields


def unpadded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def main(target, buf):
    def call(method, message):
        """Returns the exit status and the JSON of the response, or of the error."""
        url = f"http://{target}/samegate.v1.SameImageService/{method}"
        options = ["--protocol", "grpc", "--http2-prior-knowledge", "--data", message]
        done = subprocess.run(
            [buf, "curl", *options, url], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        return done.returncode, json.loads(done.stdout or done.stderr)

    run(call)


if __name__ == "__main__":
    main(*sys.argv[1:])
