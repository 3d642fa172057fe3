"""The inbox's pages. Looking changes nothing; playing the customer and moving the clock are forms that end in a page."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tactful.errors import InvalidInput
from tactful.pages import DISCREET
from tactful.settings import Shop
from tactful_console.advance import AdvanceReport, advance_text
from tactful_console.app import CustomerFacts, customer_path
from tactful_console.entrance import is_from_our_page
from tactful_console.entries import Entry
from tactful_console.moments import Moments
from tactful_console.pages import Pages
from tactful_console.timeline import timeline
from tactful_dispatch.channels.inbox import Letter, Shelf
from tactful_dispatch.public.form import read_form
from tactful_workbench.inbox.drawing import BODY_POLICY, body_document, pieces
from tactful_workbench.inbox.ports import Act, ClockFace, Play, Step, Surroundings, acts_of

TABS: Final = ("html", "text", "headers", "decision")
STEPS: Final = (
    ("+10 min", Step(by="10m")),
    ("+1 h", Step(by="1h")),
    ("+1 day", Step(by="1d")),
    ("next message", Step(to="message")),
    ("next morning", Step(to="tomorrow 09:00")),
)


def create_inbox(
    shelf: Shelf, play: Play, face: ClockFace, facts: CustomerFacts, shop: Callable[[], Shop], here: Surroundings
) -> APIRouter:
    """A router for `/inbox`. `shop` is asked anew for every page; `facts` tell of the decision behind each letter."""
    inbox = _Inbox(shelf, play, face, facts, shop, here)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/inbox", inbox.home, methods=["GET"])
    router.add_api_route("/inbox.json", inbox.listed, methods=["GET"])
    router.add_api_route("/inbox/clock", inbox.advance, methods=["POST"])
    router.add_api_route("/inbox/{number:int}", inbox.letter, methods=["GET"])
    router.add_api_route("/inbox/{number:int}.json", inbox.told, methods=["GET"])
    router.add_api_route("/inbox/{number:int}/body", inbox.body, methods=["GET"])
    router.add_api_route("/inbox/{number:int}/play", inbox.played, methods=["POST"])
    return router


class _Inbox:
    def __init__(
        self,
        shelf: Shelf,
        play: Play,
        face: ClockFace,
        facts: CustomerFacts,
        shop: Callable[[], Shop],
        here: Surroundings,
    ) -> None:
        self._shelf, self._play, self._face, self._facts = shelf, play, face, facts
        self._shop, self._here = shop, here
        self._pages = Pages("tactful_workbench.inbox", "frame-src 'self'")
        self._latest: AdvanceReport | None = None  # what the last step of the clock brought
        self._said = ""  # what came of the last act

    # -- looking

    async def home(self, request: Request) -> Response:
        """The list, with the latest letter beside it where there is room."""
        letters = await self._shelf.letters()
        return await self._page(request, letters, letters[0] if letters else None, chosen=False)

    async def letter(self, request: Request, number: int) -> Response:
        """One letter, with the list beside it where there is room."""
        found = await self._shelf.letter(number)
        if found is None:
            return self._trouble(HTTPStatus.NOT_FOUND, f"There is no letter {number} in this inbox.")
        return await self._page(request, await self._shelf.letters(), found, chosen=True)

    async def body(self, number: int) -> Response:
        """The mail's own document, caged: no scripts, no forms, pictures from this machine only."""
        found = await self._shelf.letter(number)
        if found is None:
            return self._trouble(HTTPStatus.NOT_FOUND, f"There is no letter {number} in this inbox.")
        headers = {**DISCREET, "content-security-policy": BODY_POLICY}
        return Response(body_document(found.html), headers=headers, media_type="text/html")

    async def listed(self) -> Response:
        """The list as JSON, the latest first."""
        return _json(await self._shelf.letters())

    async def told(self, number: int) -> Response:
        """One letter as JSON."""
        found = await self._shelf.letter(number)
        return _json(found, HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)

    # -- acting

    async def played(self, request: Request, number: int) -> Response:
        """Play the customer, then show the letter with what came of it."""
        found = await self._shelf.letter(number)
        if found is None:
            return self._trouble(HTTPStatus.NOT_FOUND, f"There is no letter {number} in this inbox.")
        try:
            form = await _own_form(request)
            self._said = await self._play.play(found, _act(form), form.get("text", ""))
        except InvalidInput as error:
            return self._trouble(_STATUS.get(error.code, HTTPStatus.BAD_REQUEST), error.message)
        return RedirectResponse(f"/inbox/{number}?played", 303, DISCREET)

    async def advance(self, request: Request) -> Response:
        """Move the clock, then show the inbox with what happened."""
        try:
            form = await _own_form(request)
            self._latest = await self._face.advance(_step(form))
        except InvalidInput as error:
            return self._trouble(_STATUS.get(error.code, HTTPStatus.BAD_REQUEST), error.message)
        return RedirectResponse("/inbox?moved", 303, DISCREET)

    # -- within

    async def _page(self, request: Request, letters: list[Letter], letter: Letter | None, chosen: bool) -> Response:
        tab = request.query_params.get("tab", TABS[0])
        tab = tab if tab in TABS else TABS[0]
        decision = await self._decision(letter) if letter is not None and tab == "decision" else None
        report = self._latest if "moved" in request.query_params else None
        return self._answer(
            "inbox",
            letters=letters,
            letter=letter,
            chosen=chosen,
            tab=tab,
            decision=decision,
            report=advance_text(report, self._moments) if report is not None else "",
            said=self._said if "played" in request.query_params else "",
        )

    async def _decision(self, letter: Letter) -> Entry | None:
        story = timeline(await self._facts.timeline(letter.customer), self._shop().timezone)
        return story.decision(letter.message_id)

    @property
    def _moments(self) -> Moments:
        return Moments(self._shop().zone)

    def _trouble(self, status: HTTPStatus, sentence: str) -> Response:
        return self._answer("trouble", status, sentence=sentence)

    def _answer(self, template: str, status: int = 200, **values: Any) -> Response:
        return self._pages.answer(
            template,
            status,
            shop=self._shop(),
            here=self._here,
            now=self._face.now(),
            moments=self._moments,
            tabs=TABS,
            steps=STEPS,
            acts_of=acts_of,
            pieces=pieces,
            customer_path=customer_path,
            **values,
        )


_STATUS: Final = {"form_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "cross_site": HTTPStatus.FORBIDDEN}


async def _own_form(request: Request) -> dict[str, str]:
    """The form, if it was sent from one of our own pages: another site may not play with a developer's server."""
    if not is_from_our_page(request):
        raise InvalidInput("cross_site", "This form was sent from another site. Use the buttons in the inbox.")
    return await read_form(request)


def _step(form: dict[str, str]) -> Step:
    step = Step(form.get("advance", ""), form.get("to", ""))
    if bool(step.by) == bool(step.to):
        raise InvalidInput("unknown_step", "Say either how long, like advance=1h, or until when, like to=message.")
    return step


def _act(form: dict[str, str]) -> Act:
    try:
        return Act(form.get("act", ""))
    except ValueError:
        raise InvalidInput("unknown_act", f"Use one of: {', '.join(Act)}.", field="act") from None


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, dict(DISCREET), "application/json")
