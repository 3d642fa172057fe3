"""Who posts. The key may stand in four places; the body is one of them, so it has been read by now."""

from __future__ import annotations

from fastapi import Request

from tactful.keys import OPERATOR, Key, KeyRing, basic_credentials
from tactful_ingest.answers import Refusal


async def authenticate(request: Request, in_body: object, keys: KeyRing) -> Key:
    """The first of Basic user name, `X-Write-Key`, `writeKey` in the body, `writeKey` in the query. Raises Refusal 401, and
    403 for a key that posts nothing."""
    secret = _presented(request, in_body)
    if not secret:
        raise Refusal(401, "invalid_key", "no write key: send it as the Basic user name, X-Write-Key or writeKey")
    key = await keys.find(secret)
    if key is None:
        raise Refusal(
            401, "invalid_key", "this write key is unknown or was revoked; `tactful keys` lists those that work"
        )
    if key.scope == OPERATOR:
        raise Refusal(
            403, "key_scope", "an operator's key opens the console and posts nothing; use a key of kind server"
        )
    return key


def _presented(request: Request, in_body: object) -> str:
    found = (
        basic_credentials(request.headers.get("authorization", ""))[0]
        or request.headers.get("x-write-key")
        or (in_body if isinstance(in_body, str) else "")
        or request.query_params.get("writeKey", "")
    )
    return found.partition(":")[0]  # Jitsu insists on `key:secret`; our keys hold no colon
