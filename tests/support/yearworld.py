"""A shop's year under fault: the shipped workers in virtual time, a provider that fails, processes that lose what they
commit and start again, records that come twice. Everything that left is written down with what was true at that instant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from adversary_world import Fate, ShakyDispatchStore, ShakyTriggerStore, Trouble
from dispatchbench import PlainContent
from enginebench import GRAVES, MONDAY, drive, event_record
from shopyear import OWN_HOURS, RULES, STEP, YEAR, Act, Human, phone

from tactful.clock import DAY, MINUTE, ManualClock
from tactful.errors import Transient
from tactful.events import Identify
from tactful.identity import fraction
from tactful.log.memory import MemoryLog
from tactful.partitioning import partition_of
from tactful.plugins import load_plugins
from tactful.purposes import is_marketing
from tactful.records import (
    DISPATCH,
    EVENTS,
    BroadcastBody,
    BroadcastRecord,
    ConsentBody,
    ConsentRecord,
    EraseBody,
    EraseRecord,
    EventRecord,
    LinkBody,
    LinkRecord,
    MergeBody,
    MergeRecord,
    MessageBody,
    Record,
    encode,
)
from tactful.settings import Settings
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.attempt import Attempts
from tactful_dispatch.channels import Accepted, Capabilities, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.correspondence import Correspondence
from tactful_dispatch.links import Links
from tactful_dispatch.reception import Reception
from tactful_dispatch.rows import SENDING, UNKNOWN
from tactful_dispatch.worker import DispatchWorker
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.sides import TriggerSide
from tactful_workbench.virtual import Ordinals, VirtualTime

PARTITIONS: Final = 4
RULEBOOK: Final = Rulebook(load_plugins(None).rules, SHIPPED)
DAY_OF_MARKETING: Final = "09:00-21:00"


def settings(hours: str = DAY_OF_MARKETING, in_shadow: str = "") -> Settings:
    """Of the whole shop."""
    rules: dict[str, dict[str, Any]] = {rule: {"mode": "shadow" if rule == in_shadow else "live"} for rule in RULES}
    rules["abandoned_cart"] |= {"sms": True, "holdout": 0.1}
    return Settings.model_validate({"rules": rules, "sending": {"mode": "live"}, "hours": {"marketing": hours}})


POISON: Final = b'{"kind": "event", "id": 7'
TROUBLED: Final = 0.01  # of the instants: some write is lost, or the reply to it
RESTARTED: Final = 0.005  # of the instants
REPEATED: Final = 0.02  # of the records
NEVER: Final = 2**60  # never
PATIENCE: Final = 900  # days after the year, until no run is left
REACTING: Final = 0.3  # of those who get a message
ANSWERING: Final = 0.2  # of those who are asked something
QUESTIONS: Final = {  # template -> answers
    "missed_order": ("in_a_week", "in_a_month", "enough", "no_longer"),
    "churn_survey": ("too_expensive", "no_need", "too_often", "other"),
    "complaint_followup": ("settled", "settled", "unsettled"),
}


class Left(NamedTuple):
    """One first byte. `hour` by the clock on the customer's wall."""

    message_id: str
    at: int
    customer: str
    channel: str
    address: str
    purpose: str
    contact: str
    rule: str
    hour: float
    committed: bool  # as `sending`
    outcome: Outcome
    broken: tuple[str, ...]  # promises that do not hold at this instant


class Standing:
    """What the shop knows of one person, as a plain reading of the acts has it."""

    def __init__(self, *, erased: bool = False) -> None:
        self.words: dict[str, tuple[int, str]] = {}  # channel -> instant and state; "" is every channel
        self.ordered_at = -DAY
        self.complaints: set[str] = set()
        self.paused_until = 0
        # Wishes and since when they count: what was asked for under another account before that knows nothing of them.
        self.muted: dict[str, int] = {}  # rule -> instant
        self.seldom: int | None = None  # at most once in so many days
        self.contacts: dict[str, int] = {}  # marketing -> its latest message
        self.erased = erased
        self.flagged = False
        self.address = self.zone = ""
        self.hours, self.at_most_days, self.impersonal = "", 0, False  # that they chose
        self.talked_at = -DAY  # to somebody else
        self.refunded_at = self.settled_at = -YEAR
        self.suppressed: dict[str, str] = {}  # channel -> the message whose answer said so, "" where its owner did

    def said(self, channel: str, at: int, state: str) -> None:
        self.words[channel] = (at, state)

    def is_withdrawn(self, channel: str) -> bool:
        """The latest word that covers the channel is a no; with nothing said there is none to break."""
        covering = [self.words[name] for name in ("", channel) if name in self.words]
        return bool(covering) and max(covering)[1] == "withdrawn"

    def hear(self, record: EventRecord) -> None:
        told: dict[str, Any] = msgspec.json.decode(record.body.properties)
        name, at = record.body.name, record.body.occurred_at
        if name == "Identify":
            self._is_called(told)
        elif name == "Customer Flagged":
            self.flagged = bool(told.get("reason"))
        elif name == "Contact Made":
            self.talked_at = at
        elif name == "Order Refunded":
            self.refunded_at = at
        elif name == "Order Completed":
            self.ordered_at = max(self.ordered_at, at)
        else:
            self._complains(name, told, at)

    def _is_called(self, told: dict[str, Any]) -> None:
        if told.get("email", self.address) != self.address:
            self.address = told["email"]
            self.suppressed.pop("email", None)
        self.zone = told.get("timezone") or self.zone

    def _complains(self, name: str, told: dict[str, Any], at: int) -> None:
        if name in ("Complaint Opened", "Complaint Reopened"):
            self.complaints.add(told["ticket_id"])
        elif name == "Complaint Closed":
            self.complaints.discard(told["ticket_id"])
            self.settled_at = at

    def inherit(self, other: Standing, at: int) -> None:
        """They are one person with somebody else. What either wished was not said of what the other was asked before."""
        for channel, word in other.words.items():
            self.words[channel] = max(word, self.words.get(channel, word))
        self.ordered_at = max(self.ordered_at, other.ordered_at)
        self.refunded_at = max(self.refunded_at, other.refunded_at)
        self.settled_at = max(self.settled_at, other.settled_at)
        self.talked_at = max(self.talked_at, other.talked_at)
        self.flagged |= other.flagged
        self.complaints |= other.complaints
        self.muted = dict.fromkeys(self.muted | other.muted, at)
        self.seldom = None if self.seldom is other.seldom is None else at
        self.at_most_days = max(self.at_most_days, other.at_most_days)
        self.contacts |= other.contacts

    def spoke(self, contact: str, at: int) -> None:
        self.contacts[contact] = at

    def hour(self, at: int) -> float:
        """By the clock on their wall."""
        local = datetime.fromtimestamp(at / 1000, ZoneInfo(self.zone))
        return local.hour + local.minute / 60

    def _is_open(self, at: int) -> bool:
        return not self.hours or float(self.hours[:2]) <= self.hour(at) < float(self.hours[6:8])

    def broken_by(self, envelope: Envelope, message: MessageBody, at: int) -> tuple[str, ...]:
        marketing, channel = is_marketing(message.purpose), message.channel
        others = [when for contact, when in self.contacts.items() if contact != message.contact]
        checks = {
            "sent to somebody who was erased": self.erased,
            "sent to somebody who is not to be contacted": self.flagged,
            "sent to an address that they have left": channel == "email" and envelope.address != self.address,
            "sent to somebody who was held out": marketing and message.holdout,
            "marketing outside of their hours": marketing and not self._is_open(at),
            "marketing within a day of a talk": marketing and at - self.talked_at < DAY,
            "marketing within a week of a refund": marketing and at - self.refunded_at < 7 * DAY,
            "marketing within a week of the end of a complaint": marketing and at - self.settled_at < 7 * DAY,
            "made of what they looked at": marketing
            and self.impersonal
            and bool({"cart", "session"} & {*message.uses}),
            "sent to an address that is suppressed": channel in self.suppressed,
            "marketing after an opt-out": marketing and self.is_withdrawn(channel),
            "marketing within a day of an order": marketing and at - self.ordered_at < DAY,
            "marketing while a complaint was open": marketing and bool(self.complaints),
            "marketing while it was paused": marketing and at < self.paused_until,
            "marketing of a kind that was left out": marketing
            and message.requested_at >= self.muted.get(message.rule, NEVER),
            "more often than they wished": marketing
            and self.seldom is not None
            and message.requested_at >= self.seldom
            and at - max(others, default=-YEAR) < self.at_most_days * DAY,
        }
        return tuple(name for name, broken in checks.items() if broken)


class World:
    """The product, its provider, and what really happened."""

    name = "provider"
    capabilities = Capabilities(frozenset({"email", "push", "sms"}))

    def __init__(self, everybody: Sequence[Human], seed: int) -> None:
        self.random, self.clock = Random(f"world {seed}"), ManualClock(MONDAY)
        self._seed = str(seed)
        self.log = Ordinals(MemoryLog(PARTITIONS, self.clock))
        self._fate, self._fate_of_attempts = Fate(_never), Fate(_never)
        self.trigger = ShakyTriggerStore(self._fate, self.log)
        self.dispatch = ShakyDispatchStore(PARTITIONS, self._fate, self._fate_of_attempts)
        self._book = AddressBook(b"year")
        self.desk = Reception(self.dispatch, self._book, GRAVES, self.clock, PARTITIONS, lambda: None)
        self._correspondence = Correspondence(self.dispatch, self._book, self.desk, self.clock)
        self.humans = {human.id: human for human in everybody}
        self.standing: defaultdict[str, Standing] = defaultdict(Standing)
        self.became: dict[str, str] = {}
        self.left: list[Left] = []
        self.posted: list[EventRecord] = []
        self.poison = 0
        self.happened: Counter[str] = Counter()
        self._settings, self._paused = settings(), set[str]()
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.restart()
        self._announce("Settings Changed", self._settings.model_dump_json(), EVENTS, DISPATCH)
        self._pass_to(MONDAY)

    def restart(self) -> None:
        """Another process over the same stores."""
        limits: Any = {"slice_limit": self.random.randint(1, 200)}
        attempts = Attempts(
            self.dispatch,
            dict.fromkeys(self.capabilities.channels, self),
            PlainContent(),
            Links("https://hello.shop.example", b"key"),
            self._book,
            self.clock,
            lambda: self.clock.now() / 1000,
        )
        self.trigger_worker = TriggerWorker(
            self.log, self.trigger, RULEBOOK, self.clock, "year", graves=GRAVES, **limits
        )
        self.dispatch_worker = DispatchWorker(
            self.log, self.dispatch, attempts, self._book, self.clock, "year", graves=GRAVES, **limits
        )
        side = TriggerSide(self.trigger_worker, self.trigger)
        self._time = VirtualTime(self.log, self.clock, (side, self.dispatch_worker))

    def live(self, acts: Sequence[Act]) -> None:
        """Everything, and then time until nothing waits any more."""
        for act in acts:
            self._catch_up(act.at)
            self._pass_to(act.at)
            self._do(act)
        for later in range(90, PATIENCE, 30):  # nobody acts any more, and those who are asked to come back do not
            self._catch_up(MONDAY + YEAR + later * DAY)
            self._pass_to(MONDAY + YEAR + later * DAY)

    def _catch_up(self, until: int) -> None:
        """Reactions of customers up to an instant."""
        while self._later and self._later[0][0] <= until:
            at, _, react = heappop(self._later)
            self._pass_to(at)
            react()

    def _pass_to(self, instant: int) -> None:
        """Trouble may come on the way; whatever is lost is tried again."""
        instant = max(instant, self.clock.now())
        if self.random.random() < RESTARTED:
            self.restart()
            self.happened["restarts"] += 1
        if self.random.random() < TROUBLED:
            fate = self.random.choice((self._fate, self._fate_of_attempts))
            fate.arm(self.random.choice((Trouble.LOST, Trouble.REPLY_LOST)), self.random.randint(1, 6))
        while True:
            try:
                drive(self._time.advance(instant))
                break
            except Transient as error:
                self.happened[str(error)] += 1
                if self.random.random() < 0.5:
                    self.restart()

    # -- what happens to the shop

    def _do(self, act: Act) -> None:
        getattr(self, f"_{act.what}")(act)

    def _event(self, act: Act) -> None:
        assert act.event is not None
        record, standing = event_record(act.who, act.event, act.at, self._name(), act.occurred), self._standing(act)
        if isinstance(act.event, Identify):
            standing.erased = False
        standing.hear(record)
        self.posted.append(record)
        self._append(EVENTS, record)

    def _consent(self, act: Act) -> None:
        self._standing(act).said(act.channel, act.at, act.say)
        self._standing(act).erased &= act.say != "granted"
        body = ConsentBody(source="shop", purpose="marketing", channel=act.channel, state=act.say, occurred_at=act.at)
        self._append(DISPATCH, ConsentRecord(id=self._name(), key=act.who, at=act.at, body=body))

    def _login(self, act: Act) -> None:
        self._append(EVENTS, LinkRecord(id=self._name(), key=act.who, at=act.at, body=LinkBody(act.other)))

    def _merge(self, act: Act) -> None:
        self._append(EVENTS, MergeRecord(id=self._name(), key=act.who, at=act.at, body=MergeBody(act.other)))
        self.standing[act.other].inherit(self.standing[act.who], act.at)
        self.became[act.who] = act.other
        self.happened["merged"] += 1

    def _erase(self, act: Act) -> None:
        self._append(EVENTS, EraseRecord(id=self._name(), key=act.who, at=act.at, body=EraseBody(act.at)))
        self.standing[self.who(act.who)] = Standing(erased=True)
        self.happened["erased"] += 1

    def _poison(self, act: Act) -> None:
        self.poison += 1
        drive(self.log.append(EVENTS, [(self.random.randrange(PARTITIONS), POISON)]))

    def _news(self, act: Act) -> None:
        """Operators pause, drain or resume a rule."""
        self._announce(act.say, msgspec.json.encode({"rule": act.who}).decode(), EVENTS)
        if act.say == "Rule Paused":
            self._paused.add(act.who)
        elif act.say == "Rule Resumed":
            self._paused.discard(act.who)
        self.happened[act.say.lower()] += 1

    def _settings_changed(self, act: Act) -> None:
        self._settings = settings(act.say, act.who)
        self._announce("Settings Changed", self._settings.model_dump_json(), EVENTS, DISPATCH)

    def _announce(self, name: str, told: str, *topics: str) -> None:
        body = BroadcastBody(name, msgspec.Raw(told.encode()))
        record = encode(BroadcastRecord(id=self._name(), key="all", at=self.clock.now(), body=body))
        for topic in topics:
            drive(self.log.append(topic, [(partition, record) for partition in range(PARTITIONS)]))

    def _stop(self, act: Act) -> None:
        """They text STOP. Whom no text has reached is nobody to the provider."""
        who, standing = self.who(act.who), self._standing(act)
        self._surely(lambda: drive(self._correspondence.stop("sms", phone(who), "sms-stop", {})))
        if any(left.customer == who and left.channel == "sms" for left in self.left):
            standing.said("sms", self.clock.now(), "withdrawn")
        standing.suppressed["sms"] = ""

    def _desk(self, act: Act) -> None:
        now, who, standing = self.clock.now(), act.who, self._standing(act)
        if act.say == "stop":
            self._surely(lambda: drive(self.desk.stop_all(who, "preference-page")))
            standing.said("", now, "withdrawn")
        elif act.say == "one-click":
            self._surely(lambda: drive(self.desk.consent(who, "marketing", "email", "withdrawn", via="one-click")))
            standing.said("email", now, "withdrawn")
        elif act.say == "pause":
            self._surely(lambda: drive(self.desk.pause(who, now + 30 * DAY)))
            standing.paused_until = now + 30 * DAY
        elif act.say in OWN_HOURS:
            self._surely(lambda: drive(self.desk.prefer(who, "hours", act.say)))
            standing.hours = act.say
        elif act.say in ("0", "7", "30"):
            self._surely(lambda: drive(self.desk.prefer(who, "at_most_days", act.say)))
            standing.at_most_days, standing.seldom = int(act.say), now
        elif act.say in ("none", "full"):
            self._surely(lambda: drive(self.desk.prefer(who, "personalisation", act.say)))
            standing.impersonal = act.say == "none"
        else:
            self._surely(lambda: drive(self.desk.mute(who, "abandoned_cart", True)))
            standing.muted["abandoned_cart"] = now

    def _standing(self, act: Act) -> Standing:
        return self.standing[self.who(act.who)]

    def _surely(self, act: Callable[[], object]) -> None:
        """They ask again until somebody answers."""
        while True:
            try:
                act()
                return
            except Transient as error:
                self.happened[str(error)] += 1

    def _append(self, topic: str, record: Record) -> None:
        """Some clients post it twice."""
        entry = (partition_of(record.key, PARTITIONS), encode(record))
        drive(self.log.append(topic, [entry]))
        if self.random.random() < REPEATED:
            self.happened["repeats"] += 1
            self._after(self.random.randrange(DAY), lambda: drive(self.log.append(topic, [entry])))

    # -- the provider, and those who read

    async def send(self, envelope: Envelope) -> Outcome:
        delivery = await self.dispatch.delivery(envelope.message_id)
        assert delivery is not None
        message, now = delivery.message, self.clock.now()
        customer = self.who(envelope.customer)
        standing = self.standing[customer]
        await self._forget_what_was_lost(standing)
        tries = sum(left.message_id == envelope.message_id for left in self.left[-50:])
        outcome = self._answer(envelope, tries)
        self.left.append(
            Left(
                envelope.message_id,
                now,
                customer,
                envelope.channel,
                envelope.address,
                message.purpose,
                message.contact,
                message.rule,
                standing.hour(now),
                delivery.state == SENDING,
                outcome,
                (*standing.broken_by(envelope, message, now), *self._broken_by(message, standing.hour(now))),
            )
        )
        if is_marketing(message.purpose) and isinstance(outcome, Accepted | Unknown):
            standing.spoke(message.contact, now)
        if isinstance(outcome, Rejected):
            for other in tuple(self.standing.values()) if envelope.channel == "email" else ():
                if other.address == envelope.address:
                    other.suppressed.setdefault("email", envelope.message_id)
            standing.suppressed.setdefault(envelope.channel, envelope.message_id)
        if isinstance(outcome, Accepted) and self.random.random() < REACTING:
            name = self.random.choice(("Message Clicked", "Message Opened", "Message Delivered"))
            self._after(self.random.randrange(2 * DAY), lambda: self._react(envelope.message_id, name))
        answers = QUESTIONS.get(message.template) if envelope.channel == "email" else None
        if isinstance(outcome, Accepted) and answers and self.random.random() < ANSWERING:
            said = self.random.choice(answers)
            self._after(self.random.randrange(2 * DAY), lambda: self._say(message, said))
        return outcome

    def _broken_by(self, message: MessageBody, hour: float) -> Iterator[str]:
        hours, mode = self._settings.hours.marketing, self._settings.rule(message.rule).mode
        if is_marketing(message.purpose) and not float(hours[:2]) <= hour < float(hours[6:8]):
            yield "marketing outside of the shop's hours"
        if message.rule in self._paused:
            yield "sent by a rule that is paused"
        if mode != "live":
            yield "sent by a rule that is in shadow"

    async def _forget_what_was_lost(self, standing: Standing) -> None:
        """A refusal that a process took along when it died is unknown to everybody after it."""
        for channel, message in tuple(standing.suppressed.items()):
            delivery = await self.dispatch.delivery(message) if message else None
            if delivery is not None and delivery.state == UNKNOWN:
                del standing.suppressed[channel]

    def _say(self, message: MessageBody, answer: str) -> None:
        """Whoever was erased meanwhile says nothing to anybody."""
        self._react(message.message_id, "Message Clicked")
        standing = self.standing[self.who(message.customer)]
        self._surely(lambda: drive(self.desk.answer(message.message_id, answer)))
        if not standing.erased:
            if answer == "too_often":
                standing.seldom, standing.at_most_days = self.clock.now(), 30
            elif answer in ("no_need", "no_longer"):
                standing.muted[message.rule] = self.clock.now()
            elif answer == "unsettled":
                standing.complaints.add(message.data["ticket_id"])
        self.happened[f"answered {answer}"] += 1

    def _react(self, message_id: str, name: str) -> None:
        self._surely(lambda: drive(self.desk.receipt(message_id, name, {})))

    def _answer(self, envelope: Envelope, tries: int) -> Outcome:
        drawn = fraction("answer", self._seed, envelope.message_id, str(tries))
        if drawn < 0.05:
            return Retry(7 * MINUTE, "busy")
        if drawn < 0.06:
            return Rejected("550", "nobody", suppress=True)
        return Unknown("silence") if drawn < 0.08 else Accepted(envelope.message_id)

    def who(self, name: str) -> str:
        """Who a name turned out to be."""
        while name in self.became:
            name = self.became[name]
        return name

    def _after(self, length: int, act: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._later, (self.clock.now() + max(STEP, length // STEP * STEP), self._count, act))

    def _name(self) -> str:
        self._count += 1
        return f"e{self._count}"


async def _never() -> None:
    raise AssertionError("nobody freezes in virtual time")
