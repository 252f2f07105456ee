"""Runs the checks of a client in order and prints the result of each."""

import sys
import traceback

_checks = []


def check(function):
    """Registers a check; its name is that of the function, in words."""
    _checks.append(function)
    return function


def run(*arguments):
    """Runs every check in order and exits."""
    failed = 0
    for function in _checks:
        name = function.__name__.replace("_", " ")
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001  (printed and counted)
            failed += 1
            traceback.print_exc()
            print(f"FAILED {name}: {error!r}"[:500].replace("\n", " "), flush=True)
        else:
            print(f"ok {name}", flush=True)
    sys.exit(1 if failed else 0)
