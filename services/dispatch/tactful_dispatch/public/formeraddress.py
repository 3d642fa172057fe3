"""Links in a message that went to an address which is not its customer's, or not any more: whoever reads there may be somebody else."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from tactful.settings import Shop
from tactful_dispatch.desk import Desk
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.pages import Pages


class FormerAddress:
    """Keeps the customer's page from that reader, who may end what comes to the address and do nothing else."""

    def __init__(self, desk: Desk, links: Links, shop: Callable[[], Shop], pages: Pages) -> None:
        self._desk, self._links, self._shop, self._pages = desk, links, shop, pages

    async def refusal(self, grant: Grant, who: str = "") -> Response | None:
        """A page that says so and leads to `unsubscribe`; None where the reader is the customer, as far as anybody knows. `who`: as
        `Desk.former`."""
        channel = await self._desk.former(grant.customer, grant.message_id, who, grant.sent_to)
        if channel is None:
            return None
        card = await self._desk.card(grant.customer)
        texts = texts_for(card.locale, card.shop_locale)
        unsubscribe = Grant("unsubscribe", grant.customer, grant.message_id, channel, sent_to=grant.sent_to)
        return self._pages.answer(
            "notice",
            403,
            t=texts,
            shop=self._shop(),
            title=texts.former_title,
            lead=texts.former,
            more="../u/" + self._links.token(unsubscribe),
        )
