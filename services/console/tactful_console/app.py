"""The console's pages: find a customer, read their story, stop all sending. Stories have a `.json` twin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tactful.clock import Clock
from tactful.errors import Transient
from tactful.keys import KeyRing
from tactful.pages import DISCREET
from tactful.settings import Shop
from tactful_console.entrance import CHALLENGE, Entrance, is_from_our_page
from tactful_console.history import TimelineInputs
from tactful_console.moments import Moments
from tactful_console.pages import Pages
from tactful_console.standings import RuleStanding
from tactful_console.terminal import printable
from tactful_console.timeline import Timeline, timeline

_LONGEST_SEARCH: Final = 256
_LONGEST_FORM: Final = 4096  # bytes
_LONGEST_WHY: Final = 200
_UNTOLD: Final = (
    "It could not be told, since the log is away. Without it nothing leaves either, once it has not been read for a "
    "minute; try again when it is back."
)
_UNREAD: Final = (
    "It is told, and some dispatch has not read it yet. If it does not within a minute, nothing leaves there either."
)


class Stopped(NamedTuple):
    """Somebody stopped all sending."""

    by: str
    why: str
    at: int


class CustomerFacts(Protocol):
    """Where the pages get what they show."""

    async def stopped(self) -> Stopped | None:
        """Who stopped all sending; None while it goes on."""
        ...

    async def timeline(self, customer: str) -> TimelineInputs:
        """All that is known; empty for a customer nobody has heard of."""
        ...

    async def search(self, text: str) -> list[str]:
        """Ids of customers that `text` may mean, best first; for "" the latest ones. Some tens at most."""
        ...


class Readings(Protocol):
    """Where it is noted who has read what."""

    async def note(self, customer: str, by: str) -> None:
        """Leave in the customer's story, once a day, that somebody (`by`) has read it."""
        ...


class RuleFacts(Protocol):
    """How rules stand."""

    async def rules(self) -> Sequence[RuleStanding]:
        """All that are loaded."""
        ...


class RedButton(Protocol):
    """Stops all sending."""

    async def press(self, by: str, why: str) -> None:
        """Stop all sending: nothing leaves any more as soon as dispatch has read it."""
        ...

    async def is_in_force(self) -> bool:
        """Whether all of dispatch has read it, which is waited for a few seconds."""
        ...


def create_console(
    facts: CustomerFacts,
    rules: RuleFacts,
    button: RedButton,
    clock: Clock,
    shop: Callable[[], Shop],
    keys: KeyRing | None,
    readings: Readings | None,
) -> APIRouter:
    """A router for `/console`. `shop` is asked anew for every page, so that settings take effect. Without `keys` everybody may
    enter, and without `readings` nobody notes who has read whose story."""
    console = _Console(facts, rules, button, clock, shop, Entrance(keys), readings, Pages("tactful_console"))
    router = APIRouter(include_in_schema=False)
    for path, page in (
        ("/console", console.home),
        ("/console/stop", console.stop),
        ("/console/customers", console.named),
        ("/console/customers.json", console.named_json),
        ("/console/customers/{customer:path}", console.customer),
    ):
        router.add_api_route(path, console.guarded(page), methods=["GET"])
    router.add_api_route("/console/stop", console.guarded(console.press), methods=["POST"])
    return router


def customer_path(customer: str) -> str:
    """The page of a customer. Ids that a path cannot carry (dots, a line break, a `.json` at the end) go into the query."""
    if customer.strip(".") and not customer.endswith((".json", "/")) and ".." not in customer and "\n" not in customer:
        return f"/console/customers/{quote(customer, safe='')}"
    return f"/console/customers?id={quote(customer, safe='')}"


@dataclass(frozen=True, slots=True)
class _Console:
    facts: CustomerFacts
    rules: RuleFacts
    button: RedButton
    clock: Clock
    shop: Callable[[], Shop]
    entrance: Entrance
    readings: Readings | None
    pages: Pages

    def guarded(self, page: Callable[[Request, str], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """A page for operators: it gets the request and their name."""

        async def answer(request: Request) -> Response:
            who = await self.entrance.who(request)
            if who is not None:
                return await page(request, who)
            locked = self.pages.answer("locked", 401, shop=self.shop())
            locked.headers.update(CHALLENGE)
            return locked

        return answer

    async def stop(self, request: Request, who: str) -> Response:
        """What the red button does, and the button."""
        return await self._page("stop", text="", trouble="")

    async def press(self, request: Request, who: str) -> Response:
        """Press it."""
        if not is_from_our_page(request):
            return await self._page("stop", 403, text="", trouble="That came from another site. Press the button here.")
        form = dict(parse_qsl((await request.body())[:_LONGEST_FORM].decode(errors="replace")))
        try:
            await self.button.press(who, printable(form.get("why", "").strip()[:_LONGEST_WHY]))
        except Transient as error:
            return await self._page("stop", 503, text="", trouble=f"{_UNTOLD} ({error})")
        if await self.button.is_in_force():
            return RedirectResponse("/console", 303, DISCREET)
        return await self._page("stop", 202, text="", trouble=_UNREAD)

    async def home(self, request: Request, who: str) -> Response:
        """How rules stand and the latest customers, or what was found; a single hit is opened at once."""
        text = request.query_params.get("q", "").strip()[:_LONGEST_SEARCH]
        found = await self.facts.search(text)
        if text and len(found) == 1:
            return RedirectResponse(customer_path(found[0]), 303, DISCREET)
        rules = [] if text else await self.rules.rules()
        paths = [(customer, customer_path(customer)) for customer in found]
        return await self._page("home", found=paths, rules=rules, text=text)

    async def customer(self, request: Request, who: str) -> Response:
        """The story of one customer, as a page or, with `.json` at the end of the path, as JSON."""
        customer = request.path_params["customer"]
        if customer.endswith(".json"):
            return _json(await self._story(customer.removesuffix(".json"), who))
        return await self._story_page(customer, who)

    async def named(self, request: Request, who: str) -> Response:
        """The story of a customer whose id a path cannot carry, as a page."""
        return await self._story_page(request.query_params.get("id", ""), who)

    async def named_json(self, request: Request, who: str) -> Response:
        """Their story as JSON."""
        return _json(await self._story(request.query_params.get("id", ""), who))

    async def _story(self, customer: str, who: str) -> Timeline:
        story = timeline(await self.facts.timeline(customer), self.shop().timezone)
        if self.readings is not None and story:
            await self.readings.note(customer, who)
        return story

    async def _story_page(self, customer: str, who: str) -> Response:
        story = await self._story(customer, who)
        if not story:
            return await self._page("nobody", 404, customer=customer, text=customer)
        moments = Moments.of(story.zone, self.shop().timezone)
        days = [(day, list(part)) for day, part in groupby(reversed(story.entries), lambda e: moments.day(e.at))]
        latest = next((entry for entry in reversed(story.entries) if entry.kind == "decided"), None)
        return await self._page(
            "customer", story=story, days=days, latest=latest, moments=moments, text="", twin=_twin(customer)
        )

    async def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        shop, stopped = self.shop(), await self.facts.stopped()
        home, now = Moments(shop.zone), self.clock.now()
        return self.pages.answer(template, status, shop=shop, home=home, now=now, stopped=stopped, **values)


def _twin(customer: str) -> str:
    path, _, query = customer_path(customer).partition("?")
    return f"{path}.json" + (f"?{query}" if query else "")


def _json(story: Timeline) -> Response:
    status = 200 if story else 404
    return Response(msgspec.json.encode(story), status, dict(DISCREET), "application/json")
