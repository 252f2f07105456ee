"""Drives the console in a real Chromium, against a gateway with 200 drawn images.

Usage: run.py GATEWAY_BINARY

Each check opens the console anew, as a user with a key does. After each, nothing may have been
requested from another origin, no content security policy may have been violated, and no script may
have failed.
"""

import pathlib
import sys
import tempfile
from types import SimpleNamespace

import drawn
import gateway
from checks import run as run_checks
from chromium import Chromium

# In this order: those before leave the library as it was.
import browsing  # noqa: F401
import entering  # noqa: F401
import enduring  # noqa: F401
import searching
import screenshots  # noqa: F401


def main(binary):
    # Processes of a browser outlive it for a moment, and write to its profile.
    temporary = tempfile.TemporaryDirectory(prefix="samegate-console-", ignore_cleanup_errors=True)
    with temporary as folder:
        folder = pathlib.Path(folder)
        frame, _ = searching.filmed()
        (folder / "camera.mjpeg").write_bytes(drawn.encoded(frame))
        world = SimpleNamespace(folder=folder, gateway=gateway.Gateway(binary, folder))
        try:
            world.browser = Chromium(folder, folder / "camera.mjpeg")
            run_checks(world)
        finally:
            world.browser.close()
            world.gateway.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
