"""What a message reports back: it was opened, something in it was clicked, its basket was asked for."""

from __future__ import annotations

import logging
from base64 import b64decode
from typing import Any, Final
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tactful.clock import DAY, Clock
from tactful.errors import InvalidInput, TactfulError
from tactful.pages import DISCREET
from tactful_dispatch.links import Grant
from tactful_dispatch.public.prefetch import is_prefetch
from tactful_dispatch.public.site import Site

RESTORED_FOR: Final = 7 * DAY
PIXEL: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # one transparent point

_log = logging.getLogger(__name__)


class Receipts:
    """Reports to the desk. HEAD reports nothing: link checkers use it, people do not."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self._desk, self._links, self._shop, self._clock = site.desk, site.links, site.shop, clock

    async def opened(self, request: Request, token: str) -> Response:
        """The pixel, whatever happens: a broken picture in a message helps nobody."""
        try:
            grant = self._links.read(token, "open")
        except InvalidInput:
            pass
        else:
            await self._report(request, grant.message_id, "Message Opened", {})
        return Response(PIXEL, headers={**DISCREET, "content-type": "image/gif"})

    async def clicked(self, request: Request, token: str) -> Response:
        """On to the stored URL, and to no other."""
        grant = self._links.read(token, "click")
        return await self._follow(request, grant.message_id, grant.target)

    async def short(self, request: Request, token: str) -> Response:
        """On to the stored URL behind a link in a text."""
        return await self._follow(request, *self._links.read_short(token))

    async def _follow(self, request: Request, message_id: str, index: int) -> Response:
        url = await self._target(message_id, index)
        if url is None:
            raise InvalidInput("bad_link", "the message has no such link")
        return await self._clicked(request, message_id, url)

    async def cart(self, request: Request, token: str) -> Response:
        """On to the basket, filled with what the message was about, or to the first thing in it; to the shop's front page if
        there is neither, or if it is too long ago."""
        grant = self._links.read(token, "cart")
        url = await self._basket(grant) or await self._target(grant.message_id, grant.target) or self._shop().url
        if urlsplit(url).path.endswith(token):
            url = self._shop().url  # the first link of a text is this one
        return await self._clicked(request, grant.message_id, url)

    async def _clicked(self, request: Request, message_id: str, url: str) -> Response:
        await self._report(request, message_id, "Message Clicked", {"url": url})
        return RedirectResponse(url, 302, DISCREET)

    async def _basket(self, grant: Grant) -> str | None:
        shop = self._shop()
        basket = await self._desk.basket(grant.message_id) if shop.cart_url else None
        if basket is None:
            return None
        if self._clock.now() - basket.sent_at > RESTORED_FOR:
            return shop.url
        items = ",".join(f"{quote(product, safe='')}:{quantity}" for product, quantity in basket.items)
        return shop.cart_url.replace("{cart_id}", quote(basket.cart_id, safe="")).replace("{items}", items)

    async def _target(self, message_id: str, index: int) -> str | None:
        """The stored URL, if it is one that a browser may be sent to."""
        url = await self._desk.click_target(message_id, index)
        return url if url and urlsplit(url).scheme in ("http", "https") else None

    async def _report(self, request: Request, message_id: str, name: str, detail: dict[str, Any]) -> None:
        if request.method == "HEAD":
            return
        try:
            await self._desk.receipt(message_id, name, {**detail, "prefetched": is_prefetch(request.headers)})
        except TactfulError:
            # The reader comes first: a receipt that could not be kept is lost, and the log says so.
            _log.exception("%s of %s was not recorded", name, message_id)
