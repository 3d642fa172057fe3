"""An adversarial live scheduler: the shipped workers over ports in memory, one action at a time, chosen by a seed.

Owners have skewed clocks, freeze in the middle of a write and wake up as somebody who was replaced, lose commits or the
replies to them, relay late, in part and twice, and restart; customers and clients go on meanwhile. Virtual time hides
the races between trigger and dispatch; here they happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final

import msgspec
from adversary_provider import WatchfulProvider
from adversary_world import (
    BOOK,
    GRAVES,
    RULES,
    Fate,
    Owner,
    ShakyDispatchStore,
    ShakyLog,
    ShakyTriggerStore,
    Trouble,
)
from enginebench import MONDAY, event_record

from tactful.clock import HOUR, MINUTE, SECOND, ManualClock
from tactful.errors import Transient
from tactful.events import Event, Identify, OrderCompleted, Page, ProductAdded, ProductRemoved
from tactful.log.broadcasting import broadcast
from tactful.log.partitioning import partition_of
from tactful.partitions.outbox import OutboxRow, OutboxStore, append_rows, relay
from tactful.records import (
    DISPATCH,
    EVENTS,
    ConsentBody,
    ConsentRecord,
    EventRecord,
    LinkBody,
    LinkRecord,
    Record,
    TickBody,
    TickRecord,
    encode,
)
from tactful.settings import Settings
from tactful_dispatch.desk.reception import Reception

PARTITIONS: Final = 2
ACTIONS: Final = 200
CUSTOMERS: Final = ("u1", "u3", "u5", "u13")  # u5 has a partition of its own; u13 is held out of carts
SHARING: Final = {"u3": "u5", "u5": "u3"}  # who uses one e-mail address with whom
DEVICES: Final = {"anon:d1": ("u1",), "anon:d5": ("u5",), "anon:tablet": ("u1", "u13")}  # who uses which, not logged in
SKEW: Final = 90 * SECOND
RECOGNISED: Final = 20 * HOUR  # a repeat within two days is recognised, and what is forwarded may take a day of them
SETTINGS: Final = Settings.model_validate(
    {
        "rules": {"abandoned_cart": {"mode": "live"}, "looking": {"mode": "live"}},
        "sending": {"mode": "live"},
        "caps": {"weekly": {"new": 6, "repeat": 6, "loyal": 6}, "email_gap": "1h", "push_gap": "10m"},
        "resting": {"order": "1s"},  # else the rest would hide a message that an order should have stopped
    }
)


class Play:
    """One seed's play. `await play.run()`, then look at what it left behind."""

    def __init__(self, seed: int) -> None:
        self.random, self.clock = Random(seed), ManualClock(MONDAY)
        self._fate, self._fate_of_attempts = Fate(self._frozen), Fate(self._frozen)
        self.log = ShakyLog(PARTITIONS, self.clock, self._fate)
        self.trigger = ShakyTriggerStore(self._fate, self.log)
        self.dispatch = ShakyDispatchStore(PARTITIONS, self._fate, self._fate_of_attempts)
        self.provider = WatchfulProvider(seed, self.log, self.dispatch, self.clock, SHARING, self.dispatch.as_of)
        self.desk = Reception(self.dispatch, BOOK, GRAVES, self.clock, self.log, lambda: None)
        self.owners: list[Owner] = []
        self.stopped: list[str] = []  # partitions that stopped, and why
        self.happened: Counter[str] = Counter()
        self._standing_still: list[Owner] = []
        self._acting: Owner | None = None
        self._posted: list[EventRecord] = []
        self._unanswered: list[EventRecord] = []
        self._consents: list[ConsentRecord] = []
        self._late: list[list[OutboxRow]] = []  # read by a relay that is slow to append them
        self._count = 0

    async def run(self, actions: int = ACTIONS) -> None:
        """Everything: the beginning, the adversary's actions, and a long calm after them."""
        await self._begin()
        for _ in range(actions):
            await self._act()
        await self._settle()

    # -- the beginning and the end are calm

    async def _begin(self) -> None:
        await self._tell("Settings Changed", SETTINGS.model_dump_json().encode(), EVENTS, DISPATCH)
        for customer in CUSTOMERS:
            mailbox = "family" if customer in SHARING else customer
            known = Identify(email=f"{mailbox}@example.test", push_token=f"token-{customer}", timezone="Europe/Madrid")
            await self._append(EVENTS, self._event(customer, known))
            await self._append(DISPATCH, self._consent(customer, "granted", ""))
        first = self._new_owner("first", calm=True)
        await self._go_round(first)
        await first.trigger.release()
        await first.dispatch.release()
        self.owners = [self._new_owner(name) for name in ("a", "b", "c")]

    def _new_owner(self, name: str, *, calm: bool = False) -> Owner:
        skew, limit = (0, 1000) if calm else (self.random.randint(-SKEW, SKEW), self.random.randint(1, 50))
        return Owner(
            name,
            self.log,
            self.trigger,
            self.dispatch,
            self.provider,
            self.clock,
            skew=skew,
            slice_limit=limit,
        )

    @staticmethod
    async def _go_round(owner: Owner) -> None:
        while await owner.live_trigger.round() | await owner.live_dispatch.round():
            pass

    async def _settle(self) -> None:
        """Whoever is still there has died; a healthy process finds the leases run out and goes on to the last deadline."""
        for record in self._recent(self._unanswered):
            await self._append(EVENTS, record)
        for rule in RULES:
            await self._tell("Rule Resumed", msgspec.json.encode({"rule": rule.name}), EVENTS)
        await self._tell("Sending Resumed", b"{}", DISPATCH)
        self.clock.forward_to(self.clock.now() + HOUR)
        owner = self._new_owner("calm", calm=True)
        due: int | None = self.clock.now()
        while due is not None:
            self.clock.forward_to(max(due, self.clock.now()) + SECOND)
            await self._go_round(owner)
            dues = [
                await worker.earliest_due(p) for worker in (owner.trigger, owner.dispatch) for p in range(PARTITIONS)
            ]
            due = min((due for due in dues if due is not None), default=None)
        self._note_stopped(owner)

    # -- one action

    async def _act(self) -> None:
        """One thing happens, and perhaps trouble comes with it."""
        for fate, often, latest in ((self._fate, 0.2, 3), (self._fate_of_attempts, 0.5, 2)):
            if self.random.random() < often:
                fate.arm(self.random.choice(list(Trouble)), self.random.randint(1, latest))
        action, _ = self.random.choice(_WEIGHED)
        try:
            await action(self)
        except Transient as error:
            self.happened[str(error)] += 1
        finally:
            self._acting = None
            self._calm_down()

    async def _time_passes(self) -> None:
        """In steps of a minute, so that deadlines and events meet in one instant."""
        longest = self.random.choice((0, 1, 7, 20, 60, 60, 180, 720))
        self.clock.forward_to(self.clock.now() + self.random.randint(0, longest) * MINUTE)

    async def _something_is_posted(self) -> None:
        cart = f"p{self.random.randint(1, 3)}"
        self._count += 1
        event: Event = self.random.choice(
            (
                ProductAdded(product_id=cart, cart_id="c"),
                ProductAdded(product_id=cart, cart_id="c"),
                ProductRemoved(product_id=cart, cart_id="c"),
                Page(name="home"),
                Page(name="home"),
                OrderCompleted(order_id=f"o{self._count}"),
            )
        )
        lag = self.random.choice((0, 0, 0, self.random.randint(0, 30)))
        await self._post(self._event(self.random.choice(CUSTOMERS), event, lag * MINUTE))

    async def _a_stranger_looks_around(self) -> None:
        """Somebody who has not logged in, or not yet, on a device that others may use too."""
        cart = f"p{self.random.randint(1, 3)}"
        event: Event = self.random.choice((ProductAdded(product_id=cart, cart_id="c"), Page(name="home")))
        await self._post(self._event(self.random.choice(sorted(DEVICES)), event))

    async def _a_stranger_logs_in(self) -> None:
        """The door appends the link, waits for it, and only then appends the event that told."""
        device = self.random.choice(sorted(DEVICES))
        customer = self.random.choice(DEVICES[device])
        link = LinkRecord(id=f"l{self._next()}", key=device, at=self.clock.now(), body=LinkBody(customer))
        await self._append(EVENTS, link)
        await self._post(self._event(customer, Page(name="account")))

    async def _a_stranger_consents(self) -> None:
        state = self.random.choice(("granted", "granted", "withdrawn"))
        await self._append(DISPATCH, self._consent("anon:d1", state, self.random.choice(("", "email"))))

    async def _something_is_posted_again(self) -> None:
        if self._unanswered:
            record = self._unanswered.pop(0)
            if self._recent([record]):  # clients give up
                await self._post(record)
        elif recent := self._recent(self._posted):
            await self._post(self.random.choice(recent))

    async def _consent_is_posted(self) -> None:
        """Some clients post it twice."""
        state, channel = self.random.choice(("granted", "withdrawn")), self.random.choice(("", "email", "push"))
        self._consents.append(self._consent(self.random.choice(CUSTOMERS), state, channel))
        await self._append(DISPATCH, self._consents[-1])

    async def _consent_is_posted_again(self) -> None:
        if self._consents:
            await self._append(DISPATCH, self.random.choice(self._consents))

    async def _somebody_opts_out_on_the_page(self) -> None:
        channel = self.random.choice(("", "email"))
        await self.desk.consent(self.random.choice(CUSTOMERS), "marketing", channel, "withdrawn", via="one-click")

    async def _somebody_opts_out_while_a_message_is_on_its_way(self) -> None:
        """Whoever has one; the worst moment is between the commit of `sending` and the first byte."""
        for partition in range(PARTITIONS):
            for customer in await self.dispatch.pending(partition, "", 1000):
                await self.desk.consent(customer, "marketing", "", "withdrawn", via="one-click")

    async def _somebody_opts_in_on_the_page(self) -> None:
        await self.desk.consent(self.random.choice(CUSTOMERS), "marketing", "", "granted", via="preferences")

    async def _an_operator_pauses_a_rule(self) -> None:
        """Or lets it go on."""
        rule, wish = self.random.choice(RULES), self.random.choice(("Rule Paused", "Rule Resumed"))
        await self._tell(wish, msgspec.json.encode({"rule": rule.name}), EVENTS)

    async def _an_operator_stops_all_sending(self) -> None:
        """Or lets it go on."""
        wish, told = self.random.choice((("Sending Stopped", b'{"by":"ops"}'), ("Sending Resumed", b"{}")))
        await self._tell(wish, told, DISPATCH)

    async def _an_owner_claims(self) -> None:
        owner = self._somebody()
        await owner.trigger.claim()
        await owner.dispatch.claim()

    async def _an_owner_reads_events(self) -> None:
        owner = self._somebody()
        if owner.trigger.owned:
            partition = self.random.choice(sorted(owner.trigger.owned))
            await owner.trigger.run_once(partition)
            self.happened["fenced"] += partition not in owner.trigger.owned

    async def _an_owner_reads_dispatch(self) -> None:
        owner = self._somebody()
        if owner.dispatch.owned:
            partition = self.random.choice(sorted(owner.dispatch.owned))
            await owner.dispatch.run_once(partition)
            self.happened["fenced"] += partition not in owner.dispatch.owned

    async def _an_owner_sends(self) -> None:
        owner = self._somebody()
        if owner.dispatch.owned:
            await owner.dispatch.attempt(self.random.choice(sorted(owner.dispatch.owned)))

    async def _an_owner_goes_round(self) -> None:
        owner = self._somebody()
        await owner.live_trigger.round()
        await owner.live_dispatch.round()
        self._note_stopped(owner)

    async def _an_owner_ticks(self) -> None:
        now = self._somebody().clock.now()
        tick = TickRecord(id=f"t{self._next()}", key="", at=now, body=TickBody())
        topic = self.random.choice((EVENTS, DISPATCH))
        await self.log.append(topic, [(self.random.randrange(PARTITIONS), encode(tick))])

    async def _an_owner_relays(self) -> None:
        store, partition = self._outbox()
        self._somebody()
        await relay(self.log, store, partition, limit=self.random.randint(1, 20))

    async def _an_owner_relays_late(self) -> None:
        """Reads what is unsent and appends it much later, whoever else has appended it meanwhile."""
        store, partition = self._outbox()
        if rows := await store.unsent(partition, self.random.randint(1, 20)):
            self._late.append(rows)

    async def _late_rows_arrive(self) -> None:
        if self._late:
            await append_rows(self.log, self._late.pop(self.random.randrange(len(self._late))))

    async def _an_owner_restarts(self) -> None:
        """With another clock; the old process, if it still stands somewhere, knows nothing of it."""
        owner = self._somebody()
        name = owner.name if self.random.random() < 0.5 else f"{owner.name}{self._next()}"
        self.owners[self.owners.index(owner)] = self._new_owner(name)

    async def _frozen(self) -> None:
        """What the others do while one stands still for up to ten minutes. No opt-out may overtake a first byte by more
        than five seconds, so nobody stands still for less."""
        self._calm_down()
        still = self._acting
        self.happened["frozen"] += 1
        if still is not None:
            self._standing_still.append(still)
        self.clock.forward_to(self.clock.now() + self.random.randint(1, 60) * 10 * SECOND)
        if self.random.random() < 0.25:
            await self._somebody_opts_out_while_a_message_is_on_its_way()
        for _ in range(self.random.randint(0, 12)):
            action, alone = self.random.choice(_WEIGHED)
            if alone or len(self._standing_still) < len(self.owners):
                await action(self)
        if still is not None:
            self._standing_still.remove(still)
        self._acting = still

    # -- small things

    def _calm_down(self) -> None:
        self._fate.disarm()
        self._fate_of_attempts.disarm()

    def _somebody(self) -> Owner:
        awake = [owner for owner in self.owners if owner not in self._standing_still]
        self._acting = self.random.choice(awake)
        return self._acting

    def _outbox(self) -> tuple[OutboxStore, int]:
        return self.random.choice((self.trigger, self.dispatch)), self.random.randrange(PARTITIONS)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _event(self, customer: str, event: Event, lag: int = 0) -> EventRecord:
        now = self.clock.now()
        return event_record(customer, event, now, f"e{self._next()}", now - lag)

    def _consent(self, customer: str, state: str, channel: str) -> ConsentRecord:
        now = self.clock.now()
        body = ConsentBody(source="shop", purpose="marketing", channel=channel, state=state, occurred_at=now)
        return ConsentRecord(id=f"k{self._next()}", key=customer, at=now, body=body)

    def _recent(self, records: Sequence[EventRecord]) -> list[EventRecord]:
        return [record for record in records if record.at > self.clock.now() - RECOGNISED]

    async def _post(self, record: EventRecord) -> None:
        """A client that gets no answer posts the same again later."""
        self._unanswered.append(record)
        await self._append(EVENTS, record)
        self._unanswered = [waiting for waiting in self._unanswered if waiting.id != record.id]
        self._posted.append(record)

    async def _tell(self, name: str, told: bytes, *topics: str) -> None:
        """The same news for every partition."""
        await broadcast(self.log, topics, f"news-{self._next()}", name, told, self.clock.now())

    async def _append(self, topic: str, record: Record) -> None:
        await self.log.append(topic, [(partition_of(record.key, PARTITIONS), encode(record))])

    def _note_stopped(self, owner: Owner) -> None:
        for worker in (owner.trigger, owner.dispatch):
            self.stopped += [f"{owner.name}: {error}" for error in worker.stopped.values()]


Action = Callable[[Play], Awaitable[None]]

# what may happen, how often, and whether nobody need be awake for it
_ACTIONS: Final[tuple[tuple[Action, int, bool], ...]] = (
    (Play._time_passes, 18, True),
    (Play._something_is_posted, 24, True),
    (Play._something_is_posted_again, 6, True),
    (Play._a_stranger_looks_around, 6, True),
    (Play._a_stranger_logs_in, 3, True),
    (Play._a_stranger_consents, 1, True),
    (Play._consent_is_posted, 1, True),
    (Play._consent_is_posted_again, 1, True),
    (Play._somebody_opts_out_on_the_page, 1, True),
    (Play._somebody_opts_in_on_the_page, 6, True),
    (Play._an_owner_claims, 10, False),
    (Play._an_owner_reads_events, 18, False),
    (Play._an_owner_reads_dispatch, 18, False),
    (Play._an_owner_sends, 18, False),
    (Play._an_owner_goes_round, 26, False),
    (Play._an_owner_ticks, 8, False),
    (Play._an_owner_relays, 20, False),
    (Play._an_owner_relays_late, 4, False),
    (Play._late_rows_arrive, 4, True),
    (Play._an_owner_restarts, 3, False),
    (Play._an_operator_pauses_a_rule, 2, True),
    (Play._an_operator_stops_all_sending, 1, True),
)
_WEIGHED: Final[Sequence[tuple[Action, bool]]] = [
    (action, alone) for action, weight, alone in _ACTIONS for _ in range(weight)
]
