"""grpcurl without a contract: it asks reflection for it, and prints the details of errors.

Usage: grpcurl.py GATEWAY_BINARY GRPCURL
"""

import json
import subprocess
import sys

from checks import check, run
from gateways import LIMIT_S, equal, gateway

SERVICE = "samegate.v1.SameImageService"


def called(started, *arguments, key="writer"):
    """Returns the exit status and what is printed."""
    *options, words = arguments
    options = [GRPCURL, "-plaintext", "-H", f"authorization: Bearer {key}", *options]
    done = subprocess.run(
        [*options, started.grpc, *words.split()], capture_output=True, text=True, timeout=LIMIT_S
    )
    return done.returncode, done.stdout + done.stderr


@check
def reflection_lists_and_describes_the_contract(binary):
    with gateway(binary) as started:
        status, printed = called(started, "list")
        assert status == 0 and SERVICE in printed.split(), printed
        status, printed = called(started, f"describe {SERVICE}.SearchImages")
        assert status == 0 and ".samegate.v1.SearchImagesRequest" in printed, printed


@check
def a_call_with_a_key_is_made_by_reflection(binary):
    with gateway(binary) as started:
        status, printed = called(started, f"{SERVICE}/GetLibrary")
        equal((status, json.loads(printed)["library"]), (0, "default"))
        status, printed = called(started, f"{SERVICE}/GetLibrary", key="other")
        assert status != 0 and "CREDENTIALS_INVALID" in printed, printed


@check
def an_invalid_call_prints_reason_and_fields(binary):
    with gateway(binary) as started:
        status, printed = called(started, "-d", '{"tags": [1, 2, 3]}', f"{SERVICE}/AddImage")
        assert status != 0 and "MISSING_PARAMETER" in printed, printed
        assert '"field": "source"' in printed and '"field": "tags"' in printed, printed


if __name__ == "__main__":
    GRPCURL = sys.argv[2]
    run(sys.argv[1])
