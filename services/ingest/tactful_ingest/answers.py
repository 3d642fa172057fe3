"""What clients are told. Success is exactly 200 with a JSON object: some clients resend on 202, others on an empty body.

Every answer, errors too, may be read by a page of another origin; the write key is the only credential.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fastapi import Request, Response

from tactful.errors import TactfulError

_OPEN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
_DAY = "86400"


class Refusal(TactfulError):
    """The whole request is refused. `status` is the HTTP status; with `later` the client is told when to come back."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None, later: bool = False) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field, self.later = status, code, message, field, later


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON object, readable from any origin."""
    return Response(
        msgspec.json.encode(body), status, headers={**_OPEN, **(headers or {})}, media_type="application/json"
    )


def refused(refusal: Refusal, jitter: Callable[[], float]) -> Response:
    """`{"code", "message"}`, with the field if one is to blame."""
    body = {"code": refusal.code, "message": refusal.message}
    if refusal.field is not None:
        body["field"] = refusal.field
    return answer(body, refusal.status, {"Retry-After": retry_after(jitter)} if refusal.later else None)


def unknown_path() -> Response:
    """404 with a hint."""
    return answer({"code": "not_found", "message": "no such path; events go to /v1/track, /v1/batch or /events"}, 404)


def retry_after(jitter: Callable[[], float]) -> str:
    """20 to 60 seconds, spread out: the header is what keeps some clients from dropping their events at once."""
    return str(20 + int(41 * jitter()))


def preflight(request: Request) -> Response:
    """Yes to whatever a browser asks; `*` would not cover `Authorization`, so the headers are named as asked."""
    asked = request.headers.get("access-control-request-headers", "*")
    headers = {
        **_OPEN,
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": _DAY,
        "Vary": "Access-Control-Request-Headers",
    }
    return Response(status_code=204, headers=headers)
