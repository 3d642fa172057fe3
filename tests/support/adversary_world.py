"""What an adversarial scheduler plays with: ports in memory that fail at a bad moment, skewed clocks, two rules.

A write may be lost before it took place, lose its reply after it took place, or find its process frozen around it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

from adversary_provider import CHANNELS
from dispatchbench import PlainContent

from tactful import Run, rule
from tactful.clock import Clock
from tactful.erasure import Graves
from tactful.errors import LogUnavailable, StoreUnavailable, Transient
from tactful.events import OrderCompleted, Page, ProductAdded
from tactful.log import Log, Position
from tactful.log.memory import MemoryLog
from tactful.partitions.outbox import OutboxRow
from tactful.records import EVENTS, decode_events
from tactful_dispatch.channels import Adapter
from tactful_dispatch.links import Links
from tactful_dispatch.live import LiveDispatch
from tactful_dispatch.sending.attempt import Attempts
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import SENDING
from tactful_dispatch.store import DispatchStore, Fence
from tactful_dispatch.store.memory import MemoryDispatchStore, MemoryWorkspace
from tactful_dispatch.worker import DispatchWorker
from tactful_trigger.applying.slice import limit_of
from tactful_trigger.live import LiveTrigger
from tactful_trigger.projections import SHIPPED
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.rules.abandoned_cart import abandoned_cart
from tactful_trigger.store import SliceResult, TriggerStore
from tactful_trigger.store.memory import MemoryTriggerStore
from tactful_trigger.worker import TriggerWorker

T = TypeVar("T")

QUIET: Final = 3_600_000  # of the shipped cart rule
BOOK: Final = AddressBook(b"adversary")
GRAVES: Final = Graves(b"adversary")


@rule(
    on=Page,
    repeat="parallel",
    goal=OrderCompleted,
    purpose="marketing.browse",
    uses=("cart",),
    cooldown="2h",
    version=1,
)
async def looking(run: Run, first: Page) -> str:
    """Looks for an interesting product, and again while its first message is on its way."""
    added = await run.wait_for(ProductAdded, within="20m", where=lambda event: event.product_id != "p1")
    if added is None:
        return "nothing added"
    await run.sleep("10m")
    run.note(f"saw {added.product_id}")
    if not await run.send("push", "looking", product=added.product_id):
        return "not sent"
    second = await run.wait_for(ProductAdded, within="2h")  # also what came while the message was held
    if second is not None:
        await run.send("email", "looking", product=second.product_id)
    return "done"


RULES: Final = (abandoned_cart, looking)
RULEBOOK: Final = Rulebook(RULES, SHIPPED)


class Trouble(Enum):
    """What befalls one write."""

    LOST = "nothing was written"
    REPLY_LOST = "it was written, but the writer is told that it was not"
    FROZEN_BEFORE = "the process stands still before it"
    FROZEN_AFTER = "the process stands still after it"


class Fate:
    """Lets trouble befall the n-th write from now on, whoever makes it; writes of others meanwhile go well."""

    def __init__(self, frozen: Callable[[], Awaitable[None]]) -> None:
        """`frozen`: what the world does while somebody stands still."""
        self._trouble: Trouble | None = None
        self._left, self._frozen = 0, frozen

    def arm(self, trouble: Trouble, nth: int) -> None:
        self._trouble, self._left = trouble, nth

    def disarm(self) -> None:
        self._trouble = None

    async def write(self, lost: type[Transient], write: Callable[[], Awaitable[T]]) -> T:
        trouble = self._strikes()
        if trouble is Trouble.LOST:
            raise lost(trouble.value)
        if trouble is Trouble.FROZEN_BEFORE:
            await self._frozen()
        result = await write()
        if trouble is Trouble.FROZEN_AFTER:
            await self._frozen()
        if trouble is Trouble.REPLY_LOST:
            raise lost(trouble.value)
        return result

    def _strikes(self) -> Trouble | None:
        if self._trouble is None:
            return None
        self._left -= 1
        if self._left > 0:
            return None
        trouble, self._trouble = self._trouble, None
        return trouble


class ShakyLog(MemoryLog):
    """The shipped log in memory under a fate."""

    def __init__(self, partitions: int, clock: Clock, fate: Fate) -> None:
        super().__init__(partitions, clock)
        self._fate = fate

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        return await self._fate.write(LogUnavailable, partial(super().append, topic, entries))


class ShakyTriggerStore(MemoryTriggerStore):
    """The shipped store in memory under a fate. `early` names timers that fired before the log allowed it."""

    def __init__(self, fate: Fate, log: Log) -> None:
        super().__init__()
        self._fate, self._log = fate, log
        self.early: list[str] = []

    async def commit(self, result: SliceResult, until: int) -> None:
        await self._fate.write(StoreUnavailable, partial(super().commit, result, until))
        for row in result.outbox:
            [stored] = await self._log.read(EVENTS, result.partition, row.cause.offset, 1)
            if not row.cause.after_timers and row.cause.due >= limit_of(stored, decode_events(stored.value)):
                self.early.append(f"due {row.cause.due} fired by {stored}")

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        await self._fate.write(StoreUnavailable, partial(super().forget, rows))


class ShakyDispatchStore(MemoryDispatchStore):
    """The shipped store in memory under two fates: attempts have one of their own, or trouble would seldom find them."""

    def __init__(self, partitions: int, fate: Fate, of_attempts: Fate) -> None:
        super().__init__(partitions, lambda: b"0" * 16)
        self._numbers, self._fate, self._of_attempts = range(partitions), fate, of_attempts
        # (message, attempt) -> entries of each ledger as it became `sending`
        self.as_of: dict[tuple[str, int], list[int]] = {}

    async def transact(
        self,
        partition: int,
        customers: Collection[str],
        work: Callable[[MemoryWorkspace], T],
        *,
        fence: Fence | None = None,
        lease_until: int = 0,
    ) -> T:
        base = partial(super().transact, partition, customers, work, fence=fence, lease_until=lease_until)
        is_attempt = fence is not None and not lease_until  # slices renew their lease

        async def write() -> T:
            result = await base()
            if is_attempt:
                await self._note_sending(partition, customers)
            return result

        return await (self._of_attempts if is_attempt else self._fate).write(StoreUnavailable, write)

    async def _note_sending(self, partition: int, customers: Collection[str]) -> None:
        """Nothing here suspends: it is the instant of the commit."""
        for row in (await self.customers(partition, list(customers))).values():
            for delivery in row.deliveries.values():
                attempt = (delivery.message.message_id, delivery.attempts)
                if delivery.state == SENDING and attempt not in self.as_of:
                    self.as_of[attempt] = [len(await self.ledger(number)) for number in self._numbers]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        await self._fate.write(StoreUnavailable, partial(super().forget, rows))


class SkewedClock:
    """Somebody's own clock, so many ms ahead of the log's or behind it."""

    def __init__(self, clock: Clock, skew: int) -> None:
        self._clock, self._skew = clock, skew

    def now(self) -> int:
        return self._clock.now() + self._skew


class Owner:
    """One process that runs trigger and dispatch, by a clock of its own."""

    def __init__(
        self,
        name: str,
        log: Log,
        trigger_store: TriggerStore,
        dispatch_store: DispatchStore,
        provider: Adapter,
        clock: Clock,
        *,
        skew: int = 0,
        slice_limit: int = 1000,
    ) -> None:
        self.name, self.clock = name, SkewedClock(clock, skew)
        limits: Any = {"slice_limit": slice_limit}
        self.trigger = TriggerWorker(log, trigger_store, RULEBOOK, self.clock, name, graves=GRAVES, **limits)
        self.live_trigger = LiveTrigger(self.trigger, log, self.clock)
        attempts = Attempts(
            dispatch_store,
            dict.fromkeys(CHANNELS, provider),
            PlainContent(),
            Links("https://hello.shop.example", b"key"),
            BOOK,
            self.clock,
            lambda: clock.now() / 1000,  # a process that stands still does not stop the world's time
        )
        self.dispatch = DispatchWorker(log, dispatch_store, attempts, BOOK, self.clock, name, graves=GRAVES, **limits)
        self.live_dispatch = LiveDispatch(self.dispatch, log, self.clock)
