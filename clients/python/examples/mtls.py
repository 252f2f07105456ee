"""Calls a gateway that asks for a client certificate; the certificate names the tenant.

Usage: mtls.py HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE
"""

import pathlib
import sys

from samegate import Client, Tls


def main(target, ca, certificate, key):
    tls = Tls(ca=pathlib.Path(ca), certificate=pathlib.Path(certificate), key=pathlib.Path(key))
    with Client(target, tls=tls) as samegate:
        for library in samegate.libraries():
            print(library.library)


if __name__ == "__main__":
    main(*sys.argv[1:])
