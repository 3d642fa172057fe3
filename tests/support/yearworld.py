"""A shop's year under fault: the shipped workers in virtual time, a provider that fails, processes that lose what they
commit and start again, records that come twice. Everything that left is written down with what was true at that instant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, TypeVar

import msgspec
from adversary_world import Fate, ShakyDispatchStore, ShakyTriggerStore, Trouble
from dispatchbench import PlainContent
from enginebench import GRAVES, MONDAY, drive, event_record
from shopyear import OWN_HOURS, QUESTIONS, REACTIONS, STEP, YEAR, Act, Human, phone, settings
from yearstanding import Left, Standing

from tactful.clock import DAY, HOUR, MINUTE, ManualClock
from tactful.errors import Transient
from tactful.events import FeedComplete, Identify
from tactful.identity import fraction
from tactful.log.broadcasting import broadcast
from tactful.log.memory import MemoryLog
from tactful.log.partitioning import partition_of
from tactful.plugins import load_plugins
from tactful.purposes import is_marketing
from tactful.records import (
    DISPATCH,
    EVENTS,
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
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Capabilities, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.desk.correspondence import Correspondence
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.links import Links
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import SENDING, UNKNOWN
from tactful_dispatch.worker import DispatchWorker
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.operating.conducting import Conductor
from tactful_workbench.virtual.driver import Ordinals, VirtualTime

T = TypeVar("T")

PARTITIONS: Final = 4
RULEBOOK: Final = Rulebook(load_plugins(None).rules, SHIPPED)
POISON: Final = b'{"kind": "event", "id": 7'
TROUBLED: Final = 0.01  # of the instants: some write is lost, or the reply to it
RESTARTED: Final = 0.005  # of the instants
REPEATED: Final = 0.02  # of the records
PATIENCE: Final = 900  # days after the year, until no run is left
REACTING: Final = 0.3  # of those who get a message
ANSWERING: Final = 0.2  # of those who are asked something


class World:
    """The product, its provider, and what really happened."""

    name, capabilities = "provider", Capabilities()

    def __init__(self, everybody: Sequence[Human], seed: int) -> None:
        self.random, self.clock = Random(f"world {seed}"), ManualClock(MONDAY)
        self._seed = str(seed)
        self.log = Ordinals(MemoryLog(PARTITIONS, self.clock))
        self._fate, self._fate_of_attempts = Fate(_never), Fate(_never)
        self.trigger = ShakyTriggerStore(self._fate, self.log)
        self.dispatch = ShakyDispatchStore(PARTITIONS, self._fate, self._fate_of_attempts)
        self.addresses = AddressBook(b"year")
        self.desk = Reception(self.dispatch, self.addresses, GRAVES, self.clock, self.log, lambda: None)
        self._correspondence = Correspondence(self.dispatch, self.addresses, self.desk, self.clock)
        self.humans = {human.id: human for human in everybody}
        self.standing: defaultdict[str, Standing] = defaultdict(Standing)
        self.became: dict[str, str] = {}
        self.left: list[Left] = []
        self.posted: list[EventRecord] = []
        self.poison = self._count = 0
        self.happened: Counter[str] = Counter()
        self.settings, self._paused, self._cancelled, self._stopped = settings(), set[str](), dict[str, int](), False
        self._conductor = Conductor(self.log, self.trigger, RULEBOOK, self.clock)
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self.restart()
        self._announce("Settings Changed", self.settings.model_dump_json(), EVENTS, DISPATCH)
        self._pass_to(MONDAY)

    def restart(self) -> None:
        """Another process over the same stores."""
        both: Any = {"graves": GRAVES, "slice_limit": self.random.randint(1, 200)}
        attempts = Attempts(
            self.dispatch,
            dict.fromkeys(("email", "push", "sms"), self),
            PlainContent(),
            Links("https://hello.shop.example", b"key"),
            self.addresses,
            self.clock,
            lambda: self.clock.now() / 1000,
        )
        self.trigger_worker = TriggerWorker(self.log, self.trigger, RULEBOOK, self.clock, "year", **both)
        self.dispatch_worker = DispatchWorker(
            self.log, self.dispatch, attempts, self.addresses, self.clock, "year", **both
        )
        self._time = VirtualTime(self.log, self.clock, (self.trigger_worker, self.dispatch_worker))

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
        name, standing = self._name(), self._standing(act)
        record = event_record(act.who, act.event, act.at, name, act.occurred, history=act.history)
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
        self.standing[act.other].inherit(self.standing[act.who])
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

    def _halt(self, act: Act) -> None:
        """Operators stop all sending, or let it go on over an hour."""
        self._announce(act.say, '{"by":"ops","over":3600000}', DISPATCH)
        self._stopped = act.say == "Sending Stopped"

    def _cancel(self, act: Act) -> None:
        """Operators end every run of a rule."""
        self.happened["runs cancelled"] += drive(self._conductor.cancel(act.who))
        self._cancelled[act.who] = self.clock.now()

    def _enrol(self, act: Act) -> None:
        """Operators let everybody meet a rule who did what it begins with within 100 days."""
        since = self.clock.now() - 100 * DAY
        people, _ = drive(self._conductor.candidates(act.who, since, "", 10**6))
        drive(self._conductor.enrol(act.who, since, people))
        self.happened["enrolled"] += len(people)

    def _feed(self, act: Act) -> None:
        """The till has posted everything up to an hour ago."""
        complete = FeedComplete(feed="pos", through=act.at - HOUR)
        self._append(EVENTS, event_record("till", complete, act.at, self._name()))

    def _settings_changed(self, act: Act) -> None:
        self.settings = settings(act.say, act.who)
        self._announce("Settings Changed", self.settings.model_dump_json(), EVENTS, DISPATCH)

    def _announce(self, name: str, told: str, *topics: str) -> None:
        drive(broadcast(self.log, topics, self._name(), name, told.encode(), self.clock.now()))

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
            standing.at_most_days = int(act.say)
        elif act.say in ("none", "full"):
            self._surely(lambda: drive(self.desk.prefer(who, "personalisation", act.say)))
            standing.impersonal = act.say == "none"
        else:
            self._surely(lambda: drive(self.desk.mute(who, "abandoned_cart", True)))
            standing.muted.add("abandoned_cart")

    def _standing(self, act: Act) -> Standing:
        return self.standing[self.who(act.who)]

    def _surely(self, act: Callable[[], T]) -> T:
        """They ask again until somebody answers."""
        while True:
            try:
                return act()
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

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
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
            self._suppress(envelope, standing)
        if isinstance(outcome, Accepted) and self.random.random() < REACTING:
            name, detail = self.random.choice(REACTIONS)
            self._after(self.random.randrange(2 * DAY), lambda: self._come_back(envelope, name, detail))
        answers = QUESTIONS.get(message.template) if envelope.channel == "email" else None
        if isinstance(outcome, Accepted) and answers and self.random.random() < ANSWERING:
            said = self.random.choice(answers)
            self._after(self.random.randrange(2 * DAY), lambda: self._say(message, said))
        return outcome

    def _suppress(self, envelope: Envelope, standing: Standing) -> None:
        """Nothing may go to the address any more, whoever it belongs to."""
        if envelope.channel != "email":
            standing.suppressed.setdefault(envelope.channel, envelope.message_id)
        for other in tuple(self.standing.values()) if envelope.channel == "email" else ():
            if other.address == envelope.address:
                other.suppressed.setdefault("email", envelope.message_id)

    def _come_back(self, envelope: Envelope, name: str, detail: dict[str, Any]) -> None:
        """A receipt. One that ends an address ends it for everybody who has it."""
        if self._react(envelope.message_id, name, detail) and name in ("Message Complained", "Message Bounced"):
            self._suppress(envelope, self.standing[self.who(envelope.customer)])
            self.happened[name.lower()] += 1

    def _broken_by(self, message: MessageBody, hour: float) -> Iterator[str]:
        hours, mode = self.settings.hours.marketing, self.settings.rule(message.rule).mode
        if is_marketing(message.purpose) and not float(hours[:2]) <= hour < float(hours[6:8]):
            yield "marketing outside of the shop's hours"
        if self._stopped:
            yield "sent while all sending is stopped"
        if message.rule in self._paused:
            yield "sent by a rule that is paused"
        if message.requested_at <= self._cancelled.get(message.rule, -1) < self.clock.now():
            yield "sent by a run that was cancelled"
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
        self._react(message.message_id, "Message Clicked", {})
        standing = self.standing[self.who(message.customer)]
        self._surely(lambda: drive(self.desk.answer(message.message_id, answer)))
        if not standing.erased:
            if answer == "too_often":
                standing.at_most_days = 30
            elif answer in ("no_need", "no_longer"):
                standing.muted.add(message.rule)
            elif answer == "unsettled":
                standing.complaints.add(message.data["ticket_id"])
        self.happened[f"answered {answer}"] += 1

    def _react(self, message_id: str, name: str, detail: dict[str, Any]) -> bool:
        """Whether the message is known."""
        return self._surely(lambda: bool(drive(self.desk.receipt(message_id, name, detail))))

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
