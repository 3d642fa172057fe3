"""Doors for the shop's own systems: a server key, and nothing else, opens them."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tactful.keys import KeyRing


async def refused(request: Request, keys: KeyRing, doing: str) -> Response | None:
    """The answer to a request without a server key; None if it has one. `doing` completes "a browser key may not"."""
    secret = request.headers.get("x-write-key") or _user(request.headers.get("authorization", ""))
    key = await keys.find(secret) if secret else None
    if key is None:
        return answer(401, "invalid_key", "send a server key as the Basic user name or X-Write-Key")
    return None if key.scope == "server" else answer(403, "key_scope", f"a browser key may not {doing}")


def answer(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """A code for programs and a sentence for people."""
    return JSONResponse({"code": code, "message": message}, status, headers)


def _user(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    try:
        plain = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return plain.partition(":")[0] if scheme.lower() == "basic" else ""
