"""What a person may take with them, and how they leave: a copy of everything, and its erasure after one question."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from tactful.errors import InvalidInput
from tactful.identity import is_anonymous
from tactful.settings import Shop
from tactful_dispatch.desk import Desk
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.personal import PersonalData
from tactful_dispatch.public.form import read_form
from tactful_dispatch.public.formeraddress import FormerAddress
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.pages import DISCREET, Calendar, Pages
from tactful_dispatch.public.question import Question
from tactful_dispatch.public.texts import Texts


class OwnData:
    """Behind the link of the preference page. Looking erases nothing."""

    def __init__(
        self, personal: PersonalData, desk: Desk, links: Links, shop: Callable[[], Shop], pages: Pages
    ) -> None:
        self._personal, self._desk, self._links, self._shop, self._pages = personal, desk, links, shop, pages
        self._former = FormerAddress(desk, links, shop, pages)

    async def download(self, request: Request, token: str) -> Response:
        """`GET /d/…`: everything, as a file."""
        grant = self._links.read(token, "preferences")
        if refused := await self._refusal(grant):
            return refused
        try:
            copy = await self._personal.export(grant.customer)
        except InvalidInput:
            texts = await self._texts(grant)
            return self._notice(texts, texts.nothing_kept, texts.nothing_kept_lead, status=404)
        named = {"content-disposition": 'attachment; filename="my-data.json"'}
        return Response(copy, headers={**DISCREET, **named}, media_type="application/json")

    async def ask(self, request: Request, token: str) -> Response:
        """`GET /e/…`: whether they mean it."""
        grant = self._links.read(token, "preferences")
        if refused := await self._refusal(grant):
            return refused
        texts = await self._texts(grant)
        question = Question(texts.ask_erase, texts.ask_erase_lead, (("do", "erase", texts.erase_now),))
        return self._pages.answer("ask", t=texts, shop=self._shop(), question=question, more=f"../p/{token}")

    async def erase(self, request: Request, token: str) -> Response:
        """`POST /e/…`: the button of that page."""
        grant = self._links.read(token, "preferences")
        who = await self._personal.who(grant.customer)
        if refused := await self._former.refusal(grant, who):
            return refused
        texts = await self._texts(grant)
        if (await read_form(request)).get("do") != "erase":
            raise InvalidInput("unknown_wish", "the form states no wish that this page offers", "do")
        # Who a visitor is may be in the log already, said by anybody and read by nobody.
        farewell = await self._personal.erase(grant.customer, "preference-page", alone=is_anonymous(who))
        calendar = Calendar(texts, self._shop().zone)
        return self._notice(
            texts, texts.did_erase, texts.did_erase_lead.format(date=calendar.date(farewell.log_clean_at))
        )

    async def _refusal(self, grant: Grant) -> Response | None:
        return await self._former.refusal(grant, await self._personal.who(grant.customer))

    async def _texts(self, grant: Grant) -> Texts:
        card = await self._desk.card(grant.customer)
        return texts_for(card.locale, card.shop_locale)

    def _notice(self, texts: Texts, title: str, lead: str, status: int = 200) -> Response:
        return self._pages.answer("notice", status, t=texts, shop=self._shop(), title=title, lead=lead)
