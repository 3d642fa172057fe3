"""The preference page, and the pages of one question that links in a message lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tactful.clock import Clock
from tactful.errors import InvalidInput
from tactful.localtime import zone_of
from tactful.pages import DISCREET
from tactful.purposes import is_marketing
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.links import Grant
from tactful_dispatch.public.choices import Topic, kinds, open_switches, purposes, topics
from tactful_dispatch.public.form import read_form
from tactful_dispatch.public.pages import Calendar
from tactful_dispatch.public.question import Question
from tactful_dispatch.public.site import Site, texts_of
from tactful_dispatch.public.texts import Texts
from tactful_dispatch.public.wishes import PAUSES, Asked, Mute, Pause, Turn, Wish, no_such_wish, unsubscribe, wish_of

_QUESTIONS: Final = ("unsubscribe", "mute", "pause", "about", "confirm")
SHOWN: Final = 5  # topics of one message
_ALWAYS: Final = ("unsubscribe", "confirm")  # of whoever reads there; what confirms asks whose address it is by itself
_ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")  # RFC 8058 §3.1


class Preferences:
    """Looks at the desk, carries out wishes, and says what was done and what still comes."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self._site, self._desk, self._clock = site, site.desk, clock

    async def show(self, request: Request, token: str) -> Response:
        """`GET /p/…`: everything, nothing changed."""
        grant = self._site.links.read(token, "preferences")
        refused = await self._site.refusal(grant)
        return refused or self._page(grant, await self._desk.card(grant.customer), done=None)

    async def change(self, request: Request, token: str) -> Response:
        """`POST /p/…`: one wish, then everything again."""
        grant = self._site.links.read(token, "preferences")
        if (refused := await self._site.refusal(grant)) is not None:
            return refused
        wish = wish_of(await read_form(request))
        if isinstance(wish, Turn):
            offered = purposes(await self._desk.card(grant.customer), grant.purpose)
            if wish.purpose not in offered:
                # Each is kept for good, and asked at every message: purposes that somebody makes up could be thousands.
                raise no_such_wish("purpose")
        return await self._carry_out(grant, wish, "preference-page")

    async def ask(self, request: Request, token: str) -> Response:
        """`GET /u|n|z|b|y/…`: the question that the link is about, nothing changed."""
        grant = self._site.links.read(token, *_QUESTIONS)
        if grant.action not in _ALWAYS and (refused := await self._site.refusal(grant)):
            return refused
        card = await self._desk.card(grant.customer)
        texts = texts_of(card)
        question = await self._question(grant, texts)
        return self._site.page("ask", texts, question=question, more=self._choices(grant))

    async def answer(self, request: Request, token: str) -> Response:
        """`POST /u|n|z|b|y/…`: the button of that page, or a mailbox provider's one click.

        One click gets a bare 200: no cookie, no redirect, no page (RFC 8058 §3.2).
        """
        grant = self._site.links.read(token, *_QUESTIONS)
        form = await read_form(request)
        if grant.action == "unsubscribe" and form.get(_ONE_CLICK[0]) == _ONE_CLICK[1]:
            await unsubscribe(grant.channel).carry_out(self._desk, self._asked(grant, "one-click"))
            return PlainTextResponse("Unsubscribed.\n", headers=DISCREET)
        if grant.action == "confirm":
            return await self._carry_out(grant, await self._confirmed(grant, form), "double-opt-in")
        if grant.action not in _ALWAYS and (refused := await self._site.refusal(grant)):
            return refused
        return await self._carry_out(grant, _wish_behind(grant, form), f"{grant.action}-link")

    async def _question(self, grant: Grant, texts: Texts) -> Question:
        if grant.action == "about":
            topics = await self._desk.topics(grant.message_id)
            if not topics:
                raise InvalidInput("bad_link", "the message is about nothing that could be left out")
            buttons = tuple(("topic", topic, texts.category(topic)) for topic in topics[:SHOWN])
            return Question(texts.ask_topic, texts.ask_topic_lead, buttons)
        if grant.action == "confirm":
            purpose, channel = await self._offered(grant)
            lead = texts.ask_confirm_lead.format(topic=texts.topic(purpose), channel=texts.allowed(channel))
            return Question(texts.ask_confirm, lead, (("do", "confirm", texts.confirm),))
        return _standing_question(grant, texts)

    async def _confirmed(self, grant: Grant, form: Mapping[str, str]) -> Wish:
        if form.get("do") != "confirm":
            raise no_such_wish("do")
        return Turn(*await self._offered(grant), on=True)

    async def _offered(self, grant: Grant) -> tuple[str, str]:
        offered = await self._desk.offered(grant.message_id)
        if offered is None or not is_marketing(offered[0]):
            raise InvalidInput("bad_link", "the message asks for no consent")
        return offered

    async def _carry_out(self, grant: Grant, wish: Wish, via: str) -> Response:
        asked = self._asked(grant, via)
        await wish.carry_out(self._desk, asked)
        card = await self._desk.card(grant.customer)
        if await self._desk.former(grant.customer, grant.message_id, sent_to=grant.sent_to) is not None:
            return self._said_alone(card, wish, asked)
        return self._page(grant, card, (wish, asked))

    def _said_alone(self, card: CustomerCard, wish: Wish, asked: Asked) -> Response:
        """What was done, and nothing of the customer."""
        texts = texts_of(card)
        said = wish.said(texts, Calendar(texts, self._site.shop().zone).date, asked)
        return self._site.page("notice", texts, title=texts.done, lead=said)

    def _asked(self, grant: Grant, via: str) -> Asked:
        return Asked(grant.customer, self._clock.now(), via, grant.message_id, grant.sent_to)

    def _choices(self, grant: Grant) -> str:
        """Where the preference page's forms go: relative, so that it holds behind any host name and path prefix."""
        return "../p/" + self._site.links.token(
            Grant(
                "preferences",
                grant.customer,
                grant.message_id,
                purpose=grant.purpose,
                rule=grant.rule,
                sent_to=grant.sent_to,
            )
        )

    def _page(self, grant: Grant, card: CustomerCard, done: tuple[Wish, Asked] | None) -> Response:
        now, texts = self._clock.now(), texts_of(card)
        calendar = Calendar(texts, zone_of(card.zone) or self._site.shop().zone)
        shown = topics(card, grant.purpose, now)
        sentences: list[str] = []
        if done:
            wish, asked = done
            said = _in_vain(wish, card, texts) or wish.said(texts, calendar.date, asked)
            sentences = list(dict.fromkeys((said, *_still(wish, card, shown, calendar, now, texts))))
        return self._site.page(
            "preferences",
            texts,
            card=card,
            calendar=calendar,
            now=now,
            topics=shown,
            kinds=sorted({*kinds(card), grant.rule} - {""}),
            preferences=_chosen(card),
            pauses=PAUSES,
            done=sentences,
            action=self._choices(grant),
            own=self._choices(grant).removeprefix("../p/"),
        )


def _chosen(card: CustomerCard) -> dict[str, str]:
    """The value of each preference."""
    return {"hours": card.hours, "at_most_days": str(card.at_most_days), "personalisation": card.personalisation}


def _wish_behind(grant: Grant, form: Mapping[str, str]) -> Wish:
    """What the link allows, and no more: a form cannot turn an unsubscribe link into something else."""
    match grant.action, form.get("do"):
        case "unsubscribe", "unsubscribe":
            return unsubscribe(grant.channel)
        case "mute", "mute":
            return Mute(grant.rule, muted=True)
        case "about", None if form.get("topic"):
            return wish_of({"do": "mute_topic", "topic": form["topic"]})
        case "pause", _ if (days := form.get("days")) and days in map(str, PAUSES):
            return Pause(int(days))
    raise no_such_wish("do")


def _standing_question(grant: Grant, texts: Texts) -> Question:
    """The question of a link that asks the same whatever its message was about."""
    if grant.action == "unsubscribe":
        lead = texts.ask_unsubscribe_lead.format(channel=texts.through(grant.channel))
        return Question(texts.ask_unsubscribe, lead, (("do", "unsubscribe", texts.unsubscribe),))
    if grant.action == "mute":
        lead = texts.ask_mute_lead.format(rule=texts.rule(grant.rule))
        return Question(texts.ask_mute, lead, (("do", "mute", texts.mute),))
    buttons = tuple(("days", str(days), texts.pause_days.format(days=days)) for days in PAUSES)
    return Question(texts.ask_pause, texts.pause_lead, buttons)


def _still(
    wish: Wish, card: CustomerCard, shown: tuple[Topic, ...], calendar: Calendar, now: int, texts: Texts
) -> list[str]:
    """What still comes after a change: orders always, and whatever is turned on unless it is silent, paused or stopped, or a
    complaint is open. What was turned on just now does not come still, and whoever did that does not fear for their orders."""
    gained = (wish.purpose, wish.channel) if isinstance(wish, Turn) and wish.on else None
    sentences = [] if gained else [texts.still_service]
    if card.stopped:
        return sentences
    if card.complaint_open:
        sentences.append(texts.complaint_first)
    if card.paused_until > now:
        sentences.append(texts.did_pause.format(date=calendar.date(card.paused_until)))
    elif not card.complaint_open:
        on = [switch for switch in open_switches(shown) if (switch.purpose, switch.channel) != gained]
        for topic in dict.fromkeys(switch.purpose for switch in on):
            ways = texts.listed(texts.through(switch.channel) for switch in on if switch.purpose == topic)
            sentences.append(texts.still_by.format(topic=texts.topic(topic), channels=ways))
    return sentences


def _in_vain(wish: Wish, card: CustomerCard, texts: Texts) -> str:
    """Nothing can be promised where no address is known, or where it is shut."""
    if not isinstance(wish, Turn) or not wish.on or not wish.channel:
        return ""
    known = "" if wish.channel in card.addresses else texts.unaddressed
    return (texts.unreachable if wish.channel in card.shut else known).format(channel=texts.through(wish.channel))
