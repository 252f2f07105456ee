"""Tokens of an issuer of its own, signed by openssl."""

import base64
import json
import subprocess
import time

ISSUER, AUDIENCE = "https://issuer.test", "samegate"
# The gateway allows this difference of clocks, so a token is accepted so much longer.
CLOCK_SKEW_S = 60


class Issuer:
    """Signs tokens with a key that only it has; the gateway reads the public one from `jwks`."""

    def __init__(self, folder):
        self.key, self.jwks, self.text = folder / "issuer.pem", folder / "jwks.json", folder / "issuer.txt"
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        # The last 32 bytes of the DER form (RFC 8410, section 4).
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-32:]
        key = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "1", "x": encoded(public)}
        self.jwks.write_text(json.dumps({"keys": [key]}))

    def token(self, tenant, seconds):
        """Returns a token that is accepted for so many seconds."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "tenant": tenant, "iat": now, "exp": now - CLOCK_SKEW_S + seconds}
        parts = ({"alg": "EdDSA", "typ": "JWT", "kid": "1"}, claims)
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        self.text.write_text(signed)
        return f"{signed}.{encoded(openssl('pkeyutl', '-sign', '-rawin', '-inkey', self.key, '-in', self.text))}"


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
