"""The page behind an answer in a message: the answer is chosen already, one button sends it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from tactful.errors import InvalidInput
from tactful.settings import Shop
from tactful_dispatch.desk import ANSWERS, Desk
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public.form import read_form
from tactful_dispatch.public.pages import Pages
from tactful_dispatch.public.question import Question
from tactful_dispatch.public.texts import Texts, texts_for


class Answers:
    """Mail programs open links by themselves, so looking answers nothing."""

    def __init__(self, desk: Desk, links: Links, shop: Callable[[], Shop], pages: Pages) -> None:
        self._desk, self._links, self._shop, self._pages = desk, links, shop, pages

    async def ask(self, request: Request, token: str) -> Response:
        """`GET /a/…`: the question with the answer that the link gives."""
        grant, texts = await self._read(token)
        lead = texts.answer_leads[_answer(grant)]
        question = Question(texts.ask_answer, lead, (("do", "answer", texts.send_answer),))
        more = "../p/" + self._links.token(
            Grant("preferences", grant.customer, grant.message_id, purpose=grant.purpose)
        )
        return self._pages.answer("ask", t=texts, shop=self._shop(), question=question, more=more)

    async def take(self, request: Request, token: str) -> Response:
        """`POST /a/…`: once; a second answer is told which one stands."""
        grant, texts = await self._read(token)
        if (await read_form(request)).get("do") != "answer":
            raise InvalidInput("unknown_wish", "the form states no wish that this page offers", "do")
        given = _answer(grant)
        stands = await self._desk.answer(grant.message_id, given)
        if not stands:
            raise InvalidInput("bad_link", "the message is not known here any more")
        title, lead = texts.answer_thanks[stands]
        lead = lead if stands == given else f"{texts.answered_before} {lead}"
        return self._pages.answer("notice", t=texts, shop=self._shop(), title=title, lead=lead)

    async def _read(self, token: str) -> tuple[Grant, Texts]:
        grant = self._links.read(token, "answer")
        card = await self._desk.card(grant.customer)
        return grant, texts_for(card.locale, card.shop_locale)


def _answer(grant: Grant) -> str:
    if not 0 <= grant.target < len(ANSWERS):
        raise InvalidInput("bad_link", "the link gives no answer that there is")
    return ANSWERS[grant.target]
