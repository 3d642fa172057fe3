"""The page behind an answer in a message: the answer is chosen already, one button sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tactful.answers import UNSETTLED
from tactful.errors import InvalidInput
from tactful_dispatch.links import Grant
from tactful_dispatch.public.form import read_form
from tactful_dispatch.public.question import Question
from tactful_dispatch.public.site import Site
from tactful_dispatch.public.texts import Texts
from tactful_dispatch.questions import ANSWERS, MOST_WORDS, REASONS

_WORDED: Final = (*REASONS, UNSETTLED)  # with words of one's own, which a person reads: the rule `tell_desk`


class Answers:
    """Mail programs open links by themselves, so looking answers nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def ask(self, request: Request, token: str) -> Response:
        """`GET /a/…`: the question with the answer that the link gives."""
        grant, texts = await self._read(token)
        if refused := await self._site.refusal(grant):
            return refused
        given = _answer(grant)
        more = "../p/" + self._site.links.token(
            Grant("preferences", grant.customer, grant.message_id, purpose=grant.purpose, sent_to=grant.sent_to)
        )
        if given in REASONS:
            return self._site.page("survey", texts, reasons=REASONS, given=given, more=more)
        question = Question(*texts.answer_leads[given], (("do", "answer", texts.send_answer),), given in _WORDED)
        return self._site.page("ask", texts, question=question, more=more)

    async def take(self, request: Request, token: str) -> Response:
        """`POST /a/…`: once; a second answer is told which one stands."""
        grant, texts = await self._read(token)
        if refused := await self._site.refusal(grant):
            return refused
        given, words = _said(_answer(grant), await read_form(request))
        stands = await self._site.desk.answer(grant.message_id, given, words)
        if not stands:
            raise InvalidInput("bad_link", "the message is not known here any more")
        title, lead = texts.thanks(stands, with_words=bool(words)) if stands == given else texts.answered_before
        return self._site.page("notice", texts, title=title, lead=lead)

    async def _read(self, token: str) -> tuple[Grant, Texts]:
        grant = self._site.links.read(token, "answer")
        return grant, await self._site.texts(grant)


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
