"""The page behind an answer in a message: the answer is chosen already, one button sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tactful.answers import UNSETTLED
from tactful.errors import InvalidInput
from tactful.settings import Shop
from tactful_dispatch.desk import Desk
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public.form import read_form
from tactful_dispatch.public.formeraddress import FormerAddress
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.pages import Pages
from tactful_dispatch.public.question import Question
from tactful_dispatch.public.texts import Texts
from tactful_dispatch.questions import ANSWERS, MOST_WORDS, REASONS

_WORDED: Final = (*REASONS, UNSETTLED)  # with words of one's own, which a person reads: the rule `tell_desk`


class Answers:
    """Mail programs open links by themselves, so looking answers nothing."""

    def __init__(self, desk: Desk, links: Links, shop: Callable[[], Shop], pages: Pages) -> None:
        self._desk, self._links, self._shop, self._pages = desk, links, shop, pages
        self._former = FormerAddress(desk, links, shop, pages)

    async def ask(self, request: Request, token: str) -> Response:
        """`GET /a/…`: the question with the answer that the link gives."""
        grant, texts = await self._read(token)
        if refused := await self._former.refusal(grant):
            return refused
        given, shop = _answer(grant), self._shop()
        more = "../p/" + self._links.token(
            Grant("preferences", grant.customer, grant.message_id, purpose=grant.purpose, sent_to=grant.sent_to)
        )
        if given in REASONS:
            return self._pages.answer("survey", t=texts, shop=shop, reasons=REASONS, given=given, more=more)
        question = Question(*texts.answer_leads[given], (("do", "answer", texts.send_answer),), given in _WORDED)
        return self._pages.answer("ask", t=texts, shop=shop, question=question, more=more)

    async def take(self, request: Request, token: str) -> Response:
        """`POST /a/…`: once; a second answer is told which one stands."""
        grant, texts = await self._read(token)
        if refused := await self._former.refusal(grant):
            return refused
        given, words = _said(_answer(grant), await read_form(request))
        stands = await self._desk.answer(grant.message_id, given, words)
        if not stands:
            raise InvalidInput("bad_link", "the message is not known here any more")
        title, lead = texts.thanks(stands, with_words=bool(words)) if stands == given else texts.answered_before
        return self._pages.answer("notice", t=texts, shop=self._shop(), title=title, lead=lead)

    async def _read(self, token: str) -> tuple[Grant, Texts]:
        grant = self._links.read(token, "answer")
        card = await self._desk.card(grant.customer)
        return grant, texts_for(card.locale, card.shop_locale)


def _answer(grant: Grant) -> str:
    if not 0 <= grant.target < len(ANSWERS):
        raise InvalidInput("bad_link", "the link gives no answer that there is")
    return ANSWERS[grant.target]


def _said(linked: str, form: Mapping[str, str]) -> tuple[str, str]:
    """The answer that is sent, and the customer's own words. A reason may be changed on the page, to another reason."""
    given = form.get("reason", linked)
    if form.get("do") != "answer" or (given != linked and not {given, linked} <= set(REASONS)):
        raise InvalidInput("unknown_wish", "the form states no answer that this page offers", "do")
    words = form.get("text", "").replace("\r\n", "\n")  # as the page counts them; a form sends two characters
    return given, words.strip()[:MOST_WORDS] if given in _WORDED else ""
