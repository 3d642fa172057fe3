"""What all pages stand on: the desk, the links, the shop, and the page for a reader who may be somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import HTMLResponse

from tactful.settings import Shop
from tactful_dispatch.desk import CustomerCard, Desk
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.pages import Pages
from tactful_dispatch.public.texts import Texts


class Site:
    """`shop` is asked anew for every page, so that settings take effect."""

    def __init__(self, desk: Desk, links: Links, shop: Callable[[], Shop]) -> None:
        self.desk, self.links, self.shop, self._pages = desk, links, shop, Pages()

    def page(self, template: str, texts: Texts, status: int = 200, **values: Any) -> HTMLResponse:
        """One of the templates in `html/`, which all know the words and the shop."""
        return self._pages.answer(template, status, t=texts, shop=self.shop(), **values)

    async def texts(self, grant: Grant) -> Texts:
        """In the language of the link's customer."""
        return texts_of(await self.desk.card(grant.customer))

    async def refusal(self, grant: Grant, who: str = "") -> HTMLResponse | None:
        """A page for whoever may be somebody else than the customer, since the message went to an address that is not the customer's, or
        not any more: they may end what comes there (`unsubscribe`) and do nothing else. None for the customer. `who`: as
        `Desk.former`."""
        channel = await self.desk.former(grant.customer, grant.message_id, who, grant.sent_to)
        if channel is None:
            return None
        texts = await self.texts(grant)
        unsubscribe = Grant("unsubscribe", grant.customer, grant.message_id, channel, sent_to=grant.sent_to)
        more = "../u/" + self.links.token(unsubscribe)
        return self.page("notice", texts, 403, title=texts.former_title, lead=texts.former, more=more)


def texts_of(card: CustomerCard) -> Texts:
    """In the customer's language, or else the shop's."""
    return texts_for(card.locale, card.shop_locale)
