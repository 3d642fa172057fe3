"""Which path leads where. One letter each: these URLs stand in messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tactful.clock import Clock
from tactful.errors import InvalidInput, Transient
from tactful.settings import Shop
from tactful_dispatch.desk import Desk
from tactful_dispatch.desk.personal import PersonalData
from tactful_dispatch.links import Links
from tactful_dispatch.public.answers import Answers
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.owndata import OwnData
from tactful_dispatch.public.preferences import Preferences
from tactful_dispatch.public.receipts import Receipts
from tactful_dispatch.public.site import Site

Endpoint = Callable[[Request, str], Awaitable[Response]]

_REFUSALS: Final = {"bad_link": 404, "form_too_large": 413, "slow_body": 408}
_RETRY_AFTER: Final = "30"  # seconds

_log = logging.getLogger(__name__)


def create_public(
    desk: Desk, personal: PersonalData, links: Links, clock: Clock, shop: Callable[[], Shop]
) -> APIRouter:
    """A router for the root of the public URL."""
    site = Site(desk, links, shop)
    receipts, preferences, answers, own = (
        Receipts(site, clock),
        Preferences(site, clock),
        Answers(site),
        OwnData(personal, site),
    )
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", lambda: RedirectResponse(shop().url, 302), methods=["GET"], response_model=None)

    def route(path: str, methods: list[str], endpoint: Endpoint) -> None:
        router.add_api_route(f"/{path}/{{token}}", _guarded(endpoint, site), methods=methods)

    looking = ["GET", "HEAD"]
    route("o", looking, receipts.opened)
    route("c", looking, receipts.clicked)
    route("s", looking, receipts.short)
    route("r", looking, receipts.cart)
    route("p", looking, preferences.show)
    route("p", ["POST"], preferences.change)
    route("a", looking, answers.ask)
    route("a", ["POST"], answers.take)
    route("d", looking, own.download)
    route("e", looking, own.ask)
    route("e", ["POST"], own.erase)
    for question in "unzby":
        route(question, looking, preferences.ask)
        route(question, ["POST"], preferences.answer)
    return router


def _guarded(endpoint: Endpoint, site: Site) -> Endpoint:
    """Every trouble is a page that says what it means for the reader."""

    async def answer(request: Request, token: str) -> Response:
        try:
            return await endpoint(request, token)
        except InvalidInput as error:
            return _refusal(error, site)
        except Transient:
            _log.exception("a public page could not be served")
        except asyncio.CancelledError:  # by a server that stops; with the answer the task is over
            _log.warning("a public page could not be served, since the server stops")
        return _trouble(request, site)

    return answer


def _refusal(error: InvalidInput, site: Site) -> Response:
    texts = texts_for(site.shop().locale)
    status = _REFUSALS.get(error.code, 400)
    bad_link = error.code == "bad_link"
    title, lead = (texts.bad_link_title, texts.bad_link) if bad_link else (texts.refused_title, texts.refused)
    return site.page("notice", texts, status, title=title, lead=lead)


def _trouble(request: Request, site: Site) -> Response:
    """Whose reply is lost may have been written all the same, and what was written may have to be looked at for the page."""
    texts = texts_for(site.shop().locale)
    lead = texts.trouble_posted if request.method == "POST" else texts.trouble
    response = site.page("notice", texts, 503, title=texts.trouble_title, lead=lead)
    response.headers["retry-after"] = _RETRY_AFTER
    return response
