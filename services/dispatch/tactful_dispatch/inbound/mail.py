"""`POST /mail/inbound`: a mail server hands over what came back, raw, with a server key.

The answer is 200 whatever the message holds, since a mail server would only try again; it says what was made of it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tactful.errors import Transient
from tactful.keys import KeyRing
from tactful_dispatch.body import bounded
from tactful_dispatch.desk import Desk
from tactful_dispatch.inbound.key import coded, later, refused
from tactful_dispatch.inbound.reading import ARF, DSN, OK, REPLY, Report, Returned, read
from tactful_dispatch.links import Links

LARGEST: Final = 10 * 1024 * 1024  # bytes: a report may return the whole message
_COMPLAINTS: Final = frozenset({"abuse", "fraud"})


def create_inbound(desk: Desk, keys: KeyRing, links: Links) -> APIRouter:
    """A router for the root of the public URL. Mail names messages under the seal of `links`."""
    router = APIRouter(include_in_schema=False)

    async def inbound(request: Request) -> Response:
        if refusal := await refused(request, keys, "report mail"):
            return refusal
        raw = await bounded(request, LARGEST)
        if raw is None:
            return coded(413, "too_large", f"a message may hold {LARGEST:,} bytes")
        try:
            return await _take(desk, await asyncio.to_thread(read, raw, links.sealed_in))
        except Transient:
            return later("store_unavailable", "nothing was noted; post it again later")

    router.add_api_route("/mail/inbound", inbound, methods=["POST"])
    return router


async def _take(desk: Desk, returned: Returned) -> Response:
    if not returned.reports:
        return coded(200, "nothing_reported", "no delivery report, no abuse report, no reply to a message of ours")
    if not returned.message_id:
        return coded(200, "no_message_named", "it names no message of ours")
    receipts: dict[tuple[str, object], dict[str, Any]] = {}
    for name, detail in filter(None, map(_receipt, returned.reports)):
        # A report may name thousands of recipients; what a message takes is that it bounced, and that it did so for good.
        receipts.setdefault((name, detail.get("hard")), detail)
    noted = [name for (name, _), detail in receipts.items() if await desk.receipt(returned.message_id, name, detail)]
    if not noted and receipts:
        return coded(200, "unknown_message", f"{returned.message_id} is not known here")
    return JSONResponse({"success": True, "message_id": returned.message_id, "noted": noted})


def _receipt(report: Report) -> tuple[str, dict[str, Any]] | None:
    """What it means for the message. A machine's answer means nothing, and "not spam" is no complaint."""
    if report.kind == DSN and report.outcome == OK:
        return "Message Delivered", {}
    if report.kind == DSN:
        return None if report.goes_on else ("Message Bounced", {"hard": report.bad_address, "detail": report.said})
    if report.kind == ARF and report.outcome in _COMPLAINTS:
        return "Message Complained", {}
    return ("Message Replied", {}) if report.kind == REPLY else None
