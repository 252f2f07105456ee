"""Shows every kind of error, and what to do about it.

Usage: errors.py HOST:PORT PICTURE
"""

import os
import pathlib
import sys

import grpc

from samegate import Client, SamegateError


def add_once(samegate, picture):
    """Adds a picture; returns its sign, also if it is stored already."""
    try:
        return samegate.add(picture).cont_sign
    except SamegateError as error:
        if error.reason == "IMAGE_ALREADY_EXISTS":
            return error.cont_sign
        raise


def explain(error):
    """Says whose turn it is."""
    if error.violations:
        fields = ", ".join(f"{each.field}: {each.description}" for each in error.violations)
        return f"change the request ({fields})"
    if error.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return "check the key"
    if error.code == grpc.StatusCode.NOT_FOUND:
        return "there is no such image or library"
    if error.is_transient:
        # The client has tried again already, as often as it may within its timeout.
        wait = f" after {error.retry_after:.1f} s" if error.retry_after else ""
        return f"try again later{wait}"
    return "tell the operator of the gateway, with the reason"


def main(target, picture):
    picture = pathlib.Path(picture)
    with Client(target, api_key=os.environ.get("SAMEGATE_API_KEY")) as samegate:
        print("stored as", add_once(samegate, picture), add_once(samegate, picture))
        for call in (
            lambda: samegate.search(b"not a picture"),
            lambda: samegate.add(picture, brief="x" * 257, tags=[0]),
            lambda: samegate.get("1,1"),
            lambda: samegate.search(pathlib.Path("no such file")),
        ):
            try:
                call()
            except SamegateError as error:
                print(f"{error.reason}: {error.message}: {explain(error)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
