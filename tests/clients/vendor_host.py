"""The vendor's host by DNS and TLS, for SDKs that are not changed (docs/vendor-sdks.md).

The commands of the document make a CA and a certificate. A test cannot listen on port 443 or change
/etc/hosts, so the lookup of the clients is replaced (python/with_host.py).
"""

import pathlib
import re
import subprocess

CLIENTS = pathlib.Path(__file__).resolve().parent
DOCUMENT = CLIENTS.parent.parent / "docs" / "vendor-sdks.md"
HOST = "aip.baidubce.com"


def settings(folder):
    """Makes the files and returns the variables of the gateway."""
    folder.mkdir()
    (commands,) = re.findall(r"^```sh\n(openssl .*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    subprocess.run(["bash", "-ec", commands], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return {
        "SAMEGATE_LISTEN__HOSTS": HOST,
        "SAMEGATE_LISTEN__TLS__CERT": str(folder / "tls.crt"),
        "SAMEGATE_LISTEN__TLS__KEY": str(folder / "tls.key"),
    }


def command(python, rest, script, *arguments):
    """Returns the command of a Python script that finds the gateway under the vendor's name."""
    return [python, "-W", "ignore", CLIENTS / "python" / "with_host.py", HOST, rest, script, *arguments]
