"""The token endpoint: an OAuth client-credentials exchange that verifies the client assertion."""

import base64
import json
import re
import secrets
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from certificate import Certificate


class Credential:
    """A client id and secret of the shape that the control plane gives out."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        # the token endpoint and gRPC are elsewhere by BATON_C1_API_HOST; the audience stays this host
        self.host = "control-plane.example.com"
        self.client_id = f"interop@{self.host}:8443/pcc"
        private = self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.private_part = _base64url(private)
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public), "d": self.private_part, "kid": "interop-1"}
        self.client_secret = f"secret-token:conductorone.com:v1:{_base64url(json.dumps(jwk).encode())}"


class TokenEndpoint:
    """HTTPS on a free loopback port; `tokens` are those given out, `refusals` say what was wrong."""

    def __init__(self, certificate: Certificate, credential: Credential) -> None:
        self.tokens: list[str] = []
        self.refusals: list[str] = []
        handler = type("Handler", (_Handler,), {"endpoint": self, "credential": credential})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    endpoint: TokenEndpoint
    credential: Credential

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        try:
            self._verify(body)
        except _Refused as refusal:
            self.endpoint.refusals.append(str(refusal))
            self._reply(401, {"error": "invalid_client"})
            return
        token = f"canary-access-token-{secrets.token_hex(16)}"
        self.endpoint.tokens.append(token)
        self._reply(200, {"access_token": token, "token_type": "bearer", "expires_in": 600})

    def _verify(self, body: str) -> None:
        _must(self.path == "/auth/v1/token", f"path {self.path}")
        content_type = self.headers.get("Content-Type", "")
        _must(content_type == "application/x-www-form-urlencoded", f"content type {content_type}")
        form = dict(parse_qsl(body, strict_parsing=True))
        assertion = form.pop("client_assertion", "")
        wanted = {
            "client_id": self.credential.client_id,
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        _must(form == wanted, f"form {form}")
        self._verify_assertion(assertion)

    def _verify_assertion(self, assertion: str) -> None:
        parts = assertion.split(".")
        _must(len(parts) == 3, "the assertion is no compact JWS")
        header, claims = (json.loads(_from_base64url(part)) for part in parts[:2])
        _must(set(header) == {"alg", "nonce", "kid"}, f"header {sorted(header)}")
        _must(header["alg"] == "EdDSA" and header["kid"] == "interop-1", f"header {header}")
        _must(re.fullmatch("[0-9a-f]{32}", header["nonce"]) is not None, f"nonce {header['nonce']}")
        try:
            signed = f"{parts[0]}.{parts[1]}".encode()
            self.credential.key.public_key().verify(_from_base64url(parts[2]), signed)
        except InvalidSignature as error:
            raise _Refused("the signature does not verify") from error
        self._verify_claims(claims)

    def _verify_claims(self, claims: dict[str, Any]) -> None:
        _must(set(claims) == {"iss", "sub", "aud", "iat", "exp", "nbf"}, f"claims {sorted(claims)}")
        client_id = self.credential.client_id
        _must(claims["iss"] == claims["sub"] == client_id, f"issuer {claims['iss']}, subject {claims['sub']}")
        _must(claims["aud"] == self.credential.host, f"audience {claims['aud']}")
        issued = claims["iat"]
        _must(isinstance(issued, int) and abs(issued - time.time()) < 30, f"issued at {issued}")
        _must(claims["exp"] == issued + 120 and claims["nbf"] == issued - 120, f"claims {claims}")

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the check reports."""


class _Refused(Exception):
    pass


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _Refused(otherwise)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
