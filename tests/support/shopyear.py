"""A made-up year of a shop, from a seed: who orders how often, leaves carts, complains, opts out, merges, asks to be forgotten.

Pure: a list of acts in order of time. Instants are multiples of ten minutes, so that acts, deadlines and messages meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

from enginebench import MONDAY

from tactful.clock import DAY, HOUR, MINUTE
from tactful.events import (
    ComplaintClosed,
    ComplaintOpened,
    ComplaintReopened,
    ContactMade,
    CustomerFlagged,
    Event,
    Identify,
    OrderCompleted,
    OrderRefunded,
    Page,
    Product,
    ProductAdded,
    ProductRemoved,
    ProductReviewed,
    ShipmentDelivered,
)
from tactful.events.model import Money
from tactful.settings import Settings

STEP: Final = 10 * MINUTE
YEAR: Final = 365 * DAY
ZONES: Final = ("Europe/Madrid", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
CHANNELS: Final = ("email", "push", "sms")
RULES: Final = ("abandoned_cart", "missed_order", "churn_risk", "complaint_followup")
OWN_HOURS: Final = ("09:00-12:00", "12:00-17:00", "17:00-21:00")
REACTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    *(3 * (("Message Clicked", {}), ("Message Opened", {}), ("Message Delivered", {}))),
    ("Message Opened", {"prefetched": True}),
    ("Message Clicked", {"prefetched": True}),
    ("Message Replied", {"text": "Thank you"}),
    ("Message Bounced", {"hard": True}),
    ("Message Complained", {}),
)
QUESTIONS: Final = {  # template -> answers
    "missed_order": ("in_a_week", "in_a_month", "enough", "no_longer"),
    "churn_survey": ("too_expensive", "no_need", "too_often", "other"),
    "complaint_followup": ("settled", "settled", "unsettled"),
}
What = Literal[
    "event",
    "consent",
    "login",
    "merge",
    "erase",
    "desk",
    "stop",
    "poison",
    "news",
    "halt",
    "settings_changed",
    "cancel",
    "enrol",
    "feed",
]


def settings(hours: str = "09:00-21:00", in_shadow: str = "") -> Settings:
    """Of the whole shop."""
    rules: dict[str, dict[str, Any]] = {rule: {"mode": "shadow" if rule == in_shadow else "live"} for rule in RULES}
    rules["abandoned_cart"] |= {"sms": True, "holdout": 0.1}
    rules["missed_order"]["after"] = ["pos"]
    return Settings.model_validate({"rules": rules, "sending": {"mode": "live"}, "hours": {"marketing": hours}})


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens to the shop at an instant. `say` is for consent, the desk, a text, and operators."""

    at: int
    what: What
    who: str  # the name under which it comes
    event: Event | None = None
    other: str = ""  # whom a stranger or an account turns out to be
    channel: str = ""
    say: str = ""
    occurred: int = 0  # if it arrives late
    history: bool = False


@dataclass(frozen=True, slots=True)
class Human:
    """One person. `address` may be shared."""

    id: str
    address: str
    zone: str
    channels: tuple[str, ...]  # granted


class Life:
    """One person's year."""

    def __init__(self, human: Human, start: int, random: Random) -> None:
        self.human, self._start, self._random = human, start, random
        self.acts: list[Act] = []
        self._number = 0

    def live(self) -> list[Act]:
        random, at = self._random, self._start + self._random.randrange(60 * DAY)
        self._register(at)
        gap = random.choice((14, 30, 61, 90, 120, 200)) * DAY
        ends = self._start + (YEAR if random.random() < 0.6 else random.randrange(90, 300) * DAY)
        visited = at
        while (visited := visited + max(STEP, round(gap * random.gauss(1, 0.15)))) < ends:
            if random.random() < 0.85:
                self._order(visited)
            if random.random() < 0.4:
                self._leave_a_cart(visited + random.randrange(2 * DAY, max(3 * DAY, gap)))
        self._changes_of_mind(at)
        self._changes(at)
        return self.acts

    def _register(self, at: int) -> None:
        human = self.human
        known = Identify(
            email=human.address,
            phone=phone(human.id),
            push_token=f"token-{human.id}",
            first_name="Uma",
            timezone=human.zone,
        )
        self._add(at, "event", event=known)
        for channel in human.channels:
            self._add(at, "consent", channel=channel, say="granted")
        if self._random.random() < 0.3:
            self._import(at)

    def _import(self, at: int) -> None:
        """What they ordered before the shop had us."""
        apart = self._random.choice((30, 61, 90)) * DAY
        for back in range(self._random.randint(2, 6), 0, -1):
            goods = Product(product_id="p1", quantity=1, price=Money(1990, "EUR"))
            order = OrderCompleted(order_id=f"{self.human.id}-old{back}", total=goods.price, products=(goods,))
            self._add(at, "event", event=order, occurred=at - back * apart, history=True)

    def _order(self, at: int) -> None:
        """Some carts wait for hours before they are ordered, some arrive late, some are a visitor's until they log in."""
        random, number = self._random, self._next()
        goods = Product(product_id=f"p{random.randrange(30)}", quantity=1, price=Money(1990, "EUR"))
        early = random.choice((0, 0, STEP, 3 * HOUR, DAY))
        self._visit(at - early, goods)
        late = random.randrange(2 * DAY) if random.random() < 0.03 else 0
        order = OrderCompleted(order_id=f"{self.human.id}-{number}", total=Money(1990, "EUR"), products=(goods,))
        self._add(at + late, "event", event=order, occurred=at)
        if random.random() < 0.5:
            came = at + random.randrange(DAY, 4 * DAY) + (5 * DAY if random.random() < 0.05 else 0)
            parcel = ShipmentDelivered(order_id=order.order_id, promised_at=at + 3 * DAY)
            self._add(came, "event", event=parcel)
        if random.random() < 0.02:
            why = random.choice(("faulty", ""))
            back = OrderRefunded(order_id=order.order_id, total=Money(1990, "EUR"), reason=why)
            self._add(at + 3 * DAY, "event", event=back)
        if random.random() < 0.02:
            self._add(at + 9 * DAY, "event", event=ProductReviewed(rating=random.choice((1.0, 5.0))))
        if random.random() < 0.03:
            self._complain(at + random.randrange(DAY, 5 * DAY))

    def _visit(self, at: int, goods: Product) -> None:
        added = ProductAdded(
            product_id=goods.product_id, name="Kettle", price=goods.price, quantity=1, cart_id=f"c-{self.human.id}"
        )
        if self._random.random() < 0.15:
            device = f"anon:{self.human.id}d{self._random.randrange(2)}"
            self._add(at, "event", device, event=added)
            self._add(at, "login", device, other=self.human.id)
            self._add(at, "event", event=Page(name="account"))
        else:
            self._add(at, "event", event=Page(name="home"))
            self._add(at, "event", event=added)

    def _leave_a_cart(self, at: int) -> None:
        goods = Product(product_id=f"p{self._random.randrange(30)}", price=Money(990, "EUR"))
        self._visit(at, goods)
        if self._random.random() < 0.05:
            self._add(at + 3 * HOUR, "event", event=ContactMade(channel="call", by="support", purpose="service"))
        if self._random.random() < 0.1:
            removed = ProductRemoved(product_id=goods.product_id, cart_id=f"c-{self.human.id}")
            self._add(at + 30 * MINUTE, "event", event=removed)

    def _complain(self, at: int) -> None:
        ticket = f"t-{self.human.id}-{self._next()}"
        closed = at + self._random.randrange(STEP, 20 * DAY)
        self._add(at, "event", event=ComplaintOpened(ticket_id=ticket))
        self._add(closed, "event", event=ComplaintClosed(ticket_id=ticket))
        if self._random.random() < 0.2:
            self._add(closed + DAY, "event", event=ComplaintReopened(ticket_id=ticket))
            self._add(closed + 9 * DAY, "event", event=ComplaintClosed(ticket_id=ticket))

    def _changes_of_mind(self, at: int) -> None:
        random, human = self._random, self.human
        when = at + random.randrange(10 * DAY, YEAR)
        drawn = random.random()
        if drawn < 0.06:
            self._add(when, "consent", channel=random.choice(("", "email")), say="withdrawn")
        elif drawn < 0.12:
            self._add(when, "desk", say=random.choice(("stop", "one-click", "pause", "mute")))
        elif drawn < 0.14:
            self._add(when, "stop", channel="sms")
        elif drawn < 0.16:
            self._add(when, "erase")
        elif drawn < 0.18:
            other = f"{human.id}b"
            self._add(when - 20 * DAY, "event", other, event=Identify(email=human.address, timezone=human.zone))
            self._add(when - 20 * DAY, "consent", other, channel="email", say="granted")
            self._add(when - 2 * HOUR, "event", other, event=ProductAdded(product_id="p1", quantity=1))
            self._add(when, "merge", other, other=human.id)
            wish = random.choice(("stop", "one-click", "pause", "mute", "17:00-21:00", "30", "none"))
            self._add(when + random.choice((-DAY, STEP, 3 * HOUR, DAY)), "desk", say=wish)
            if random.random() < 0.3:
                self._add(when + random.choice((STEP, DAY, 30 * DAY)), "erase")
        if drawn < 0.03:
            self._add(when + 30 * DAY, "consent", channel="email", say="granted")

    def _changes(self, at: int) -> None:
        """Of what they wish, of where they live, of what the shop thinks of them."""
        random, human, drawn = self._random, self.human, self._random.random()
        when = at + random.randrange(10 * DAY, YEAR)
        if drawn < 0.06:
            self._add(when, "desk", say=random.choice((*OWN_HOURS, "0", "7", "30", "none", "full")))
        elif drawn < 0.10:
            moved = Identify(email=f"new-{human.id}@example.test", timezone=random.choice(ZONES))
            self._add(when, "event", event=moved)
        elif drawn < 0.11:
            self._add(when, "event", event=CustomerFlagged(reason="staff"))
            self._add(when + 40 * DAY, "event", event=CustomerFlagged())

    def _add(
        self,
        at: int,
        what: What,
        who: str = "",
        *,
        event: Event | None = None,
        other: str = "",
        channel: str = "",
        say: str = "",
        occurred: int = 0,
        history: bool = False,
    ) -> None:
        at = at // STEP * STEP
        happened = min(occurred, at) // STEP * STEP if occurred else at
        self.acts.append(Act(at, what, who or self.human.id, event, other, channel, say, happened, history))

    def _next(self) -> int:
        self._number += 1
        return self._number


def phone(customer: str) -> str:
    """Of `u17` and of a second account `u17b`."""
    return f"+34600{int(customer.strip('ub')):06}"


def people(count: int, seed: int) -> Iterator[Human]:
    """Some share an address with the one before them."""
    random, before = Random(f"people {seed}"), ""
    for number in range(count):
        name = f"u{number}"
        shares = bool(before) and random.random() < 0.03
        address = before if shares else f"{name}@example.test"
        channels = tuple(
            channel for channel, share in zip(CHANNELS, (0.8, 0.4, 0.2), strict=True) if random.random() < share
        )
        before = "" if shares else address
        yield Human(name, address, random.choice(ZONES), channels)


def operators(start: int, random: Random) -> Iterator[Act]:
    """They pause, drain and cancel rules, stop all sending for a while, put a rule into shadow, shorten the day, and let
    customers meet a rule. The till tells every night what it has posted, and misses some."""
    for month in range(1, 12):
        at, rule = start + month * 30 * DAY + random.randrange(DAY) // STEP * STEP, random.choice(RULES)
        length = random.choice((2 * HOUR, 9 * HOUR, 2 * DAY, 10 * DAY))
        if random.random() < 0.2:
            yield Act(at, "cancel", rule)
        else:
            yield Act(at, "news", rule, say=random.choice(("Rule Paused", "Rule Paused", "Rule Drained")))
        yield Act(at + length, "news", rule, say="Rule Resumed")
        yield Act(at + 13 * DAY, "halt", "", say="Sending Stopped")
        yield Act(at + 13 * DAY + random.choice((HOUR, DAY)), "halt", "", say="Sending Resumed")
        if month % 3 == 0:
            yield Act(
                at + 11 * DAY,
                "settings_changed",
                random.choice(RULES),
                say=random.choice(("10:00-20:00", "12:00-13:00")),
            )
            yield Act(at + 14 * DAY, "settings_changed", "", say="09:00-21:00")
            yield Act(at + 16 * DAY, "enrol", random.choice(("missed_order", "churn_risk")))
    yield from (Act(start + n * DAY, "feed", "till") for n in range(500) if random.random() < 0.8)


def shop_year(count: int, seed: int) -> tuple[list[Human], list[Act]]:
    """Everybody, and everything that happens, in order of time."""
    start = MONDAY // STEP * STEP + STEP
    everybody = list(people(count, seed))
    acts = [act for human in everybody for act in Life(human, start, Random(f"{seed} {human.id}")).live()]
    acts += [Act(start + n * 60 * DAY, "poison", "u0") for n in range(1, 6)]
    acts += operators(start, Random(f"operators {seed}"))
    acts.sort(key=lambda act: act.at)
    return everybody, acts
