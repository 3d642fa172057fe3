"""Doors for the shop's own systems: a server key, and nothing else, opens them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tactful.errors import Transient
from tactful.keys import KeyRing, basic_credentials


async def refused(request: Request, keys: KeyRing, doing: str) -> Response | None:
    """The answer to a request without a server key; None if it has one. `doing` completes "a key may not"."""
    secret = request.headers.get("x-write-key") or basic_credentials(request.headers.get("authorization", ""))[0]
    try:
        key = await keys.find(secret) if secret else None
    except Transient:
        return later("keys_unavailable", "keys cannot be read now; come back later")
    if key is None:
        return coded(401, "invalid_key", "send a server key as the Basic user name or X-Write-Key")
    return None if key.scope == "server" else coded(403, "key_scope", f"a key of kind {key.scope} may not {doing}")


def coded(status: int, code: str, message: str) -> Response:
    """An answer of a code for programs and a sentence for people."""
    return JSONResponse({"code": code, "message": message}, status)


def later(code: str, message: str) -> Response:
    """503, for whoever may come back in half a minute."""
    return JSONResponse({"code": code, "message": message}, 503, {"retry-after": "30"})
