"""`POST /sms/status/{message}` and `POST /sms/inbound`: the SMS provider reports, and people text back.

Every request is signed over the URL that we gave and the form; what is not is 401 (never 403, which providers take for a
"stop calling"). A good report on an unknown message is 200: the provider could only repeat it.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tactful.errors import Transient
from tactful.identity import digest
from tactful.purposes import SMS_STOP
from tactful.settings import Shop
from tactful_dispatch.body import bounded
from tactful_dispatch.channels.sms import status_url
from tactful_dispatch.channels.sms_answers import report
from tactful_dispatch.channels.smsgateway import SmsGateway
from tactful_dispatch.desk import Desk
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.inbound.key import coded, later
from tactful_dispatch.sms_words import Said, answer, meaning

LARGEST: Final = 64 * 1024
SIGNATURE: Final = "x-twilio-signature"
_log = logging.getLogger(__name__)

Form = list[tuple[str, str]]


def inbound_url(public_url: str) -> str:
    """What an operator enters at the provider for incoming messages."""
    return f"{public_url.rstrip('/')}/sms/inbound"


def create_sms(
    desk: Desk,
    correspondence: Correspondence,
    gateway: SmsGateway,
    public_url: Callable[[], str],
    shop: Callable[[], Shop],
) -> APIRouter:
    """A router for the root of the public URL."""
    router = APIRouter(include_in_schema=False)

    async def status(request: Request, message_id: str) -> Response:
        form = await _signed(request, gateway, status_url(public_url(), message_id))
        return form if isinstance(form, Response) else await _note(desk, message_id, dict(form))

    async def inbound(request: Request) -> Response:
        form = await _signed(request, gateway, inbound_url(public_url()))
        return form if isinstance(form, Response) else await _hear(correspondence, dict(form), shop())

    router.add_api_route("/sms/status/{message_id}", status, methods=["POST"], response_model=None)
    router.add_api_route("/sms/inbound", inbound, methods=["POST"], response_model=None)
    return router


async def _note(desk: Desk, message_id: str, form: dict[str, str]) -> Response:
    receipt = report(form)
    if receipt is None:
        return JSONResponse({"success": True, "noted": None})
    try:
        known = await desk.receipt(message_id, *receipt)
    except Transient:
        return _busy()
    if not known:
        return coded(200, "unknown_message", f"{message_id} is not known here")
    return JSONResponse({"success": True, "noted": receipt[0]})


async def _hear(correspondence: Correspondence, said: dict[str, str], shop: Shop) -> Response:
    """Do what a text means, and answer it unless the provider has (`OptOutType`)."""
    try:
        words = await _obey(correspondence, said, shop)
    except Transient:
        return _busy()
    body = f"<Message>{escape(words)}</Message>" if words and not said.get("OptOutType") else ""
    return Response(f"<?xml version='1.0' encoding='UTF-8'?><Response>{body}</Response>", media_type="text/xml")


async def _obey(correspondence: Correspondence, said: dict[str, str], shop: Shop) -> str:
    """The words to answer with."""
    number, text = said.get("From", ""), said.get("Body", "")
    wish = meaning(said.get("OptOutType") or text)
    id = said.get("MessageSid") or said.get("SmsSid") or ""
    proof = {"text": text[:200], "provider_id": id}
    if wish is Said.STOP:
        await correspondence.stop("sms", number, SMS_STOP, proof)
    elif wish is Said.START:
        await correspondence.start("sms", number)
    elif wish is Said.REPLY:
        pictures = (place for name, place in said.items() if name.startswith("MediaUrl"))
        told = "\n".join(filter(None, (text, *pictures)))
        # A gateway with the same interface may leave the id out: what says something else is another text.
        await correspondence.reply("sms", number, told, id or digest("text", told))
    return answer(wish, shop.name, shop.reply_to, shop.locale)


async def _signed(request: Request, gateway: SmsGateway, url: str) -> Form | Response:
    """The form, if the provider signed it."""
    body = await bounded(request, LARGEST)
    if body is None:
        return coded(413, "too_large", f"a report may hold {LARGEST:,} bytes")
    try:
        form = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
    except ValueError:
        return coded(400, "not_a_form", "send application/x-www-form-urlencoded")
    given = request.headers.get(SIGNATURE, "")
    if not hmac.compare_digest(given.encode(), gateway.signature(url, form).encode()):
        # Anybody may send one: the path as it stands in a URL moves no cursor of whoever reads this.
        path = quote(request.url.path)
        _log.warning("a report with a bad signature came to %s; is its URL the one that is configured?", path)
        return coded(401, "bad_signature", f"the signature must cover {url} and the form")
    return form


def _busy() -> Response:
    return later("store_unavailable", "nothing was noted; send it again later")
