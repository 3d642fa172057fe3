"""What a person may take with them, and how they leave: a copy of everything, and its erasure after one question."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tactful.errors import InvalidInput
from tactful.identity import is_anonymous
from tactful.pages import DISCREET
from tactful_dispatch.desk.personal import PersonalData
from tactful_dispatch.links import Grant
from tactful_dispatch.public.form import read_form
from tactful_dispatch.public.pages import Calendar
from tactful_dispatch.public.question import Question
from tactful_dispatch.public.site import Site
from tactful_dispatch.public.wishes import no_such_wish


class OwnData:
    """Behind the link of the preference page. Looking erases nothing."""

    def __init__(self, personal: PersonalData, site: Site) -> None:
        self._personal, self._site = personal, site

    async def download(self, request: Request, token: str) -> Response:
        """`GET /d/…`: everything, as a file."""
        grant = self._site.links.read(token, "preferences")
        if refused := await self._refusal(grant):
            return refused
        try:
            copy = await self._personal.export(grant.customer)
        except InvalidInput:
            texts = await self._site.texts(grant)
            return self._site.page("notice", texts, 404, title=texts.nothing_kept, lead=texts.nothing_kept_lead)
        named = {"content-disposition": 'attachment; filename="my-data.json"'}
        return Response(copy, headers={**DISCREET, **named}, media_type="application/json")

    async def ask(self, request: Request, token: str) -> Response:
        """`GET /e/…`: whether they mean it."""
        grant = self._site.links.read(token, "preferences")
        if refused := await self._refusal(grant):
            return refused
        texts = await self._site.texts(grant)
        question = Question(texts.ask_erase, texts.ask_erase_lead, (("do", "erase", texts.erase_now),), final=True)
        return self._site.page("ask", texts, question=question, more=f"../p/{token}")

    async def erase(self, request: Request, token: str) -> Response:
        """`POST /e/…`: the button of that page."""
        grant = self._site.links.read(token, "preferences")
        who = await self._personal.who(grant.customer)
        if refused := await self._site.refusal(grant, who):
            return refused
        texts = await self._site.texts(grant)
        if (await read_form(request)).get("do") != "erase":
            raise no_such_wish("do")
        # Who a visitor is may be in the log already, said by anybody and read by nobody.
        farewell = await self._personal.erase(grant.customer, "preference-page", alone=is_anonymous(who))
        lead = texts.did_erase_lead.format(date=Calendar(texts, self._site.shop().zone).date(farewell.log_clean_at))
        return self._site.page("notice", texts, title=texts.did_erase, lead=lead)

    async def _refusal(self, grant: Grant) -> Response | None:
        return await self._site.refusal(grant, await self._personal.who(grant.customer))
