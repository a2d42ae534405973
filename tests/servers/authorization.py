"""An authorization server with TLS on loopback: a page with two buttons, tokens that expire, rotate and are revoked."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import ssl
import threading
import time
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "poststelle-client", "planted-client-secret"
_PAGE = """<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in as {user}</h1>
<form method="post" action="/authorize?{query}"><button name="answer" value="yes">Allow</button>
<button name="answer" value="no">Deny</button></form></html>"""


@dataclass
class _Grant:
    user: str
    refresh: str
    revoked: bool = False


class AuthorizationServer:
    """`life` of access tokens in seconds. `asked` are the grant types of all token requests, in order.

    A refresh token is good once: the same again revokes the grant (RFC 9700, 4.14.2). `fail_next` answers the
    next token request with a status and a body.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.life = 3600
        self.asked: list[str] = []
        self.sign_ins: list[dict[str, str]] = []
        self.refreshing = 0.0  # seconds that a refresh takes
        self.gives_refresh = True
        self._failures: list[tuple[int, bytes]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._grants: dict[str, _Grant] = {}  # by refresh token, old ones too
        self._tokens: dict[str, tuple[_Grant, float]] = {}
        self._lock = threading.Lock()
        self._server = _serve(self, context)
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> AuthorizationServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def accepts(self, user: str, token: str) -> bool:
        """As a mail server would ask."""
        return self.owner(token) == user

    def owner(self, token: str) -> str:
        with self._lock:
            grant, ends = self._tokens.get(token, (None, 0.0))
            return grant.user if grant and not grant.revoked and time.time() < ends else ""

    def expire(self) -> None:
        """Every access token that is out there has run out."""
        with self._lock:
            self._tokens = {token: (grant, 0.0) for token, (grant, _) in self._tokens.items()}

    def revoke(self, user: str) -> None:
        """As the user does in the provider's security settings."""
        with self._lock:
            for grant in self._grants.values():
                grant.revoked = grant.revoked or grant.user == user

    def grant(self, user: str) -> dict[str, Any]:
        """Tokens without a sign-in."""
        with self._lock:
            return self._issue(_Grant(user, ""))

    def fail_next(self, status: int, body: bytes = b"") -> None:
        self._failures.append((status, body))

    def secrets(self) -> list[str]:
        """Everything that must stand nowhere."""
        return [SECRET, *self._tokens, *self._grants, *self._codes]

    # --- what the endpoints do ---

    def consent(self, asked: dict[str, str], allowed: bool) -> str:
        """Where the browser is sent."""
        self.sign_ins.append(asked)
        back = {"state": asked.get("state", "")}
        if not allowed:
            return asked["redirect_uri"] + "?" + urlencode(back | {"error": "access_denied"})
        code = secrets.token_urlsafe(24)
        self._codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode(back | {"code": code})

    def token(self, form: dict[str, str]) -> tuple[int, bytes]:
        kind = form.get("grant_type", "")
        self.asked.append(kind)
        if self._failures:
            return self._failures.pop(0)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return _error("invalid_client", "wrong client or secret", 401)
        if kind == "client_credentials":
            with self._lock:
                return _answer(self._issue(_Grant("anybody", "")), without="refresh_token")
        if kind == "authorization_code":
            return self._code(form)
        if kind == "refresh_token":
            time.sleep(self.refreshing)
            return self._refresh(form.get("refresh_token", ""))
        return _error("unsupported_grant_type", kind)

    def _code(self, form: dict[str, str]) -> tuple[int, bytes]:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return _error("invalid_grant", "unknown code")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked.get("code_challenge"):
            return _error("invalid_grant", "wrong verifier")
        with self._lock:
            issued = self._issue(_Grant(asked["login_hint"], ""))
        return _answer(issued, without="" if self.gives_refresh else "refresh_token")

    def _refresh(self, old: str) -> tuple[int, bytes]:
        with self._lock:
            grant = self._grants.get(old)
            if grant is not None and grant.refresh != old:
                grant.revoked = True  # used twice: stolen, or a race in the client
            if grant is None or grant.revoked:
                return _error("invalid_grant", f"the permission has ended ({old})")
            return _answer(self._issue(grant))

    def _issue(self, grant: _Grant) -> dict[str, Any]:
        grant.refresh = f"refresh-{secrets.token_urlsafe(24)}"
        access = f"access-{secrets.token_urlsafe(24)}"
        self._grants[grant.refresh] = grant
        self._tokens[access] = grant, time.time() + self.life
        return {
            "access_token": access,
            "refresh_token": grant.refresh,
            "token_type": "Bearer",
            "expires_in": self.life,
        }


def _answer(issued: dict[str, Any], without: str = "") -> tuple[int, bytes]:
    return 200, json.dumps({key: value for key, value in issued.items() if key != without}).encode()


def _error(code: str, words: str, status: int = 400) -> tuple[int, bytes]:
    return status, json.dumps({"error": code, "error_description": words}).encode()


def _serve(server: AuthorizationServer, context: ssl.SSLContext) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = _flat(parts.query)
            if parts.path != "/authorize":
                self._say(404, b"")
                return
            page = _PAGE.format(user=escape(asked.get("login_hint", "")), query=escape(parts.query))
            self._say(200, page.encode(), "text/html")

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            form = _flat(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
            if parts.path == "/authorize":
                self.send_response(303)
                self.send_header("Location", server.consent(_flat(parts.query), form.get("answer") == "yes"))
                self.end_headers()
            elif parts.path == "/token":
                self._say(*server.token(form))
            elif parts.path == "/introspect":
                user = server.owner(form.get("token", ""))
                self._say(200, json.dumps({"active": bool(user), "username": user}).encode())
            else:
                self._say(404, b"")

        def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that goes away is no matter of ours."""

    listening = Server(("127.0.0.1", 0), Handler)
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    return listening


def _flat(query: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(query).items()}
