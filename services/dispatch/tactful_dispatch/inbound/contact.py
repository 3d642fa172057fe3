"""`POST /contact-check`: may somebody speak to this customer now? With a server key; nothing is changed.

`{"customer": "u1", "channel": "call", "purpose": "marketing"}` -> `{"may": false, "reason": "complaint_open", ...}`.
What was then said is reported as the event `Contact Made`, which counts against budgets.
"""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tactful.errors import Transient
from tactful.keys import KeyRing
from tactful.purposes import is_marketing, is_service
from tactful_dispatch.body import bounded
from tactful_dispatch.desk import Desk
from tactful_dispatch.desk.inquiring import answer
from tactful_dispatch.inbound.key import coded, later, refused

LARGEST: Final = 8192


class Inquiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to say what kind of thing, and how."""

    customer: str
    channel: str
    purpose: str = "marketing"
    rule: str = ""


def create_contact(desk: Desk, keys: KeyRing) -> APIRouter:
    """A router for the root of the public URL."""
    router = APIRouter(include_in_schema=False)

    async def check(request: Request) -> Response:
        if no := await refused(request, keys, "ask about customers"):
            return no
        body = await bounded(request, LARGEST)
        if body is None:
            return coded(413, "too_large", f"an inquiry may hold {LARGEST:,} bytes")
        try:
            asked = msgspec.json.decode(body, type=Inquiry)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return coded(400, "bad_inquiry", f"send customer, channel and perhaps purpose as JSON: {error}")
        if not asked.customer or not asked.channel or not (is_marketing(asked.purpose) or is_service(asked.purpose)):
            return coded(400, "bad_inquiry", "name a customer, a channel, and a purpose below marketing or service")
        return await _judged(desk, asked)

    router.add_api_route("/contact-check", check, methods=["POST"], response_model=None)
    return router


async def _judged(desk: Desk, asked: Inquiry) -> Response:
    try:
        gates = await desk.check(asked.customer, asked.channel, asked.purpose, asked.rule)
    except Transient:
        return later("store_unavailable", "ask again later")
    told = {**answer(gates), "gates": gates}
    return Response(msgspec.json.encode(told), media_type="application/json")
