"""Renders the chart and checks the result with Kubernetes' schemas and the gateway;
then checks the container image, and what docs/mesh.md and docs/deployment.md show.

Usage: run.py GATEWAY_BINARY
"""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients" / "python"))
from checks import run  # noqa: E402

# Each module registers its checks.
import objects  # noqa: E402,F401
import settings  # noqa: E402,F401
import alerts  # noqa: E402,F401
import image  # noqa: E402,F401
import documents  # noqa: E402,F401
import deployment  # noqa: E402,F401

LIMIT_S = 30


class Gateway:
    """The binary, run only with the SAMEGATE_ variables of a pod."""

    def __init__(self, binary):
        self.binary = str(pathlib.Path(binary).resolve())

    def run(self, *arguments, variables=()):
        return subprocess.run(
            [self.binary, *arguments],
            env=environment(variables),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )

    def start(self, *arguments, folder, variables, log):
        return subprocess.Popen(
            [self.binary, *arguments],
            cwd=folder,
            env=environment(variables),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def environment(variables):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SAMEGATE_")}
    return inherited | dict(variables)


if __name__ == "__main__":
    run(Gateway(*sys.argv[1:]))
