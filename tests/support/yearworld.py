"""A shop's year under fault: the shipped workers in virtual time, a provider that fails, processes that lose what they
commit and start again, records that come twice. Everything that left is written down with what was true at that instant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from adversary_world import Fate, ShakyDispatchStore, ShakyTriggerStore, Trouble
from dispatchbench import PlainContent
from enginebench import GRAVES, MONDAY, drive, event_record
from shopyear import STEP, YEAR, Act, Human, phone

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
SETTINGS: Final = Settings.model_validate(
    {
        "rules": {
            "abandoned_cart": {"mode": "live", "sms": True},
            "missed_order": {"mode": "live"},
            "churn_risk": {"mode": "live"},
            "complaint_followup": {"mode": "live"},
        },
        "sending": {"mode": "live"},
    }
)
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
        self.seldom: int | None = None  # once a month at most
        self.contacts: dict[str, int] = {}  # marketing -> its latest message
        self.erased = erased
        self.suppressed: dict[str, str] = {}  # channel -> the message whose answer said so, "" where its owner did

    def said(self, channel: str, at: int, state: str) -> None:
        self.words[channel] = (at, state)

    def is_withdrawn(self, channel: str) -> bool:
        """The latest word that covers the channel is a no; with nothing said there is none to break."""
        covering = [self.words[name] for name in ("", channel) if name in self.words]
        return bool(covering) and max(covering)[1] == "withdrawn"

    def hear(self, record: EventRecord) -> None:
        told: dict[str, Any] = msgspec.json.decode(record.body.properties)
        name = record.body.name
        if name == "Order Completed":
            self.ordered_at = max(self.ordered_at, record.body.occurred_at)
        elif name in ("Complaint Opened", "Complaint Reopened"):
            self.complaints.add(told["ticket_id"])
        elif name == "Complaint Closed":
            self.complaints.discard(told["ticket_id"])

    def spoke(self, contact: str, at: int) -> None:
        self.contacts[contact] = at

    def broken_by(self, message: MessageBody, at: int) -> tuple[str, ...]:
        marketing, channel = is_marketing(message.purpose), message.channel
        others = [when for contact, when in self.contacts.items() if contact != message.contact]
        checks = {
            "sent to somebody who was erased": self.erased,
            "sent to an address that is suppressed": channel in self.suppressed,
            "marketing after an opt-out": marketing and self.is_withdrawn(channel),
            "marketing within a day of an order": marketing and at - self.ordered_at < DAY,
            "marketing while a complaint was open": marketing and bool(self.complaints),
            "marketing while it was paused": marketing and at < self.paused_until,
            "marketing of a kind that was left out": marketing
            and message.requested_at >= self.muted.get(message.rule, NEVER),
            "more than once a month": marketing
            and self.seldom is not None
            and message.requested_at >= self.seldom
            and at - max(others, default=-YEAR) < 30 * DAY,
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
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.restart()
        told = msgspec.Raw(SETTINGS.model_dump_json().encode())
        settings = BroadcastRecord(id="settings", key="all", at=MONDAY, body=BroadcastBody("Settings Changed", told))
        for topic in (EVENTS, DISPATCH):
            drive(self.log.append(topic, [(partition, encode(settings)) for partition in range(PARTITIONS)]))
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
        mine, theirs = self.standing[act.who], self.standing[act.other]
        for channel, word in mine.words.items():
            theirs.words[channel] = max(word, theirs.words.get(channel, word))
        theirs.ordered_at = max(mine.ordered_at, theirs.ordered_at)
        theirs.complaints |= mine.complaints
        theirs.muted = dict.fromkeys(theirs.muted | mine.muted, act.at)
        theirs.seldom = None if mine.seldom is theirs.seldom is None else act.at
        theirs.contacts |= mine.contacts
        self.became[act.who] = act.other
        self.happened["merged"] += 1

    def _erase(self, act: Act) -> None:
        self._append(EVENTS, EraseRecord(id=self._name(), key=act.who, at=act.at, body=EraseBody(act.at)))
        self.standing[self.who(act.who)] = Standing(erased=True)
        self.happened["erased"] += 1

    def _poison(self, act: Act) -> None:
        self.poison += 1
        drive(self.log.append(EVENTS, [(self.random.randrange(PARTITIONS), POISON)]))

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
        human = self.humans.get(customer.removesuffix("b")) or self.humans[customer]
        local = datetime.fromtimestamp(now / 1000, ZoneInfo(human.zone))
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
                local.hour + local.minute / 60,
                delivery.state == SENDING,
                outcome,
                standing.broken_by(message, now),
            )
        )
        if is_marketing(message.purpose) and isinstance(outcome, Accepted | Unknown):
            standing.spoke(message.contact, now)
        if isinstance(outcome, Rejected):
            for other in self.humans.values() if envelope.channel == "email" else ():
                if other.address == envelope.address:
                    self.standing[other.id].suppressed.setdefault("email", envelope.message_id)
            standing.suppressed.setdefault(envelope.channel, envelope.message_id)
        if isinstance(outcome, Accepted) and self.random.random() < REACTING:
            name = self.random.choice(("Message Clicked", "Message Opened", "Message Delivered"))
            self._after(self.random.randrange(2 * DAY), lambda: self._react(envelope.message_id, name))
        answers = QUESTIONS.get(message.template) if envelope.channel == "email" else None
        if isinstance(outcome, Accepted) and answers and self.random.random() < ANSWERING:
            said = self.random.choice(answers)
            self._after(self.random.randrange(2 * DAY), lambda: self._say(message, said))
        return outcome

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
                standing.seldom = self.clock.now()
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
