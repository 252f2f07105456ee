"""Runs the checks of a client one after another and tells about each."""

import sys
import traceback

_checks = []


def check(function):
    """Notes a check; its name, in words, is the function's."""
    _checks.append(function)
    return function


def run(*arguments):
    """Runs every check in order and ends the program."""
    failed = 0
    for function in _checks:
        name = function.__name__.replace("_", " ")
        try:
            function(*arguments)
        except Exception as violation:  # noqa: BLE001  (told below, and counted)
            failed += 1
            traceback.print_exc()
            print(f"FAILED {name}: {violation!r}"[:500].replace("\n", " "), flush=True)
        else:
            print(f"ok {name}", flush=True)
    sys.exit(1 if failed else 0)
