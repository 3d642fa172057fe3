"""Attempting what may leave: gates and `sending` in one transaction, then the first byte, then what came of it.

A message is written out before its gates are asked for good, since a template that cannot be rendered is a gate itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tactful import crashpoints
from tactful.clock import MINUTE, SECOND, Clock
from tactful.decisions import GateRecord, GateVerdict, Reason, Scope, Verdict
from tactful.outbox import Cause
from tactful_dispatch import deciding
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.channels import Accepted, Adapter, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.content import Content, Rendered, TemplateError
from tactful_dispatch.gates import judge
from tactful_dispatch.gathering import gather, settings_of
from tactful_dispatch.links import Links
from tactful_dispatch.rows import PENDING, SENDING, CustomerRow, Delivery
from tactful_dispatch.store import DispatchStore, Fence, Workspace
from tactful_dispatch.writing import envelope, rendering

FIRST_BYTE: Final = 5.0  # seconds from the commit of `sending`
MARGIN: Final = 10 * SECOND  # beyond an adapter's own deadline, before an outcome is unknown
TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it would leave now, or why its template cannot be rendered. Neither before it was tried."""

    rendered: Rendered | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """`sending` is committed: the envelope has five seconds to begin to leave."""

    envelope: Envelope
    adapter: Adapter
    committed: float  # monotonic


class Attempts:
    """Sends for partitions that this process owns. `monotonic` gives seconds that never go back."""

    def __init__(
        self,
        store: DispatchStore,
        adapters: Mapping[str, Adapter],
        content: Content,
        links: Links,
        book: AddressBook,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._adapters, self._content, self._links = store, adapters, content, links
        self._book, self._clock, self._monotonic = book, clock, monotonic

    async def customer(self, partition: int, epoch: int, customer: str) -> bool:
        """Everything of one customer that may leave, the most urgent first; whether anything was done."""
        done, fence = False, Fence(epoch)
        row = await self._store.customer(partition, customer)
        for delivery in [d for d in row.deliveries.values() if d.state == SENDING]:
            await self._left_behind(partition, customer, delivery.message.message_id, fence)
            done = True
        while waiting := (await self._store.customer(partition, customer)).waiting():
            done = True
            if not await self._attempt(partition, customer, waiting[0].message.message_id, fence):
                break
        return done

    async def _attempt(self, partition: int, customer: str, message_id: str, fence: Fence) -> bool:
        written = await self._write(partition, customer, message_id)
        departure = await self._store.transact(
            partition, [customer], lambda space: self._gates(space, customer, message_id, written), fence=fence
        )
        if departure is None:
            return True
        crashpoints.reach("dispatch: sending")
        if self._monotonic() - departure.committed > FIRST_BYTE:
            await self._store.transact(
                partition, [customer], lambda space: self._too_slow(space, customer, message_id), fence=fence
            )
            return False
        outcome = await departure.adapter.send(departure.envelope)
        crashpoints.reach("dispatch: answered")
        await self._store.transact(
            partition,
            [customer],
            lambda space: self._record(space, customer, message_id, outcome, departure.adapter),
            fence=fence,
        )
        return True

    async def _write(self, partition: int, customer: str, message_id: str) -> Written:
        """Render if the gates before `content` are open as of now; they are asked again under the lock."""
        row, cursor = await self._store.customer(partition, customer), await self._store.cursor(partition)
        delivery = row.deliveries[message_id]
        now = max(self._clock.now(), cursor.clock)
        facts = gather(cursor, row, None, delivery, now, self._adapters, None)
        before = [record for record in judge(delivery.message, facts) if record.gate == "content"]
        if not before or row.recipient is None:
            return Written()
        settings = settings_of(cursor.settings)
        try:
            return Written(
                await self._content.render(rendering(delivery.message, row.recipient, settings, self._links))
            )
        except TemplateError as error:
            return Written(error=str(error))

    def _gates(self, space: Workspace, customer: str, message_id: str, written: Written) -> Departure | None:
        row = space.customer(customer)
        delivery = row.deliveries.get(message_id)
        if delivery is None or delivery.state != PENDING:
            return None
        now = max(self._clock.now(), space.cursor.clock)
        key = self._book.of(row.recipient, delivery.message.channel)
        address = space.address(key) if key else None
        facts = gather(space.cursor, row, address, delivery, now, self._adapters, written.error)
        gates = judge(delivery.message, facts)
        if written.rendered is None and written.error is None and any(gate.gate == "content" for gate in gates):
            return None  # the gates opened meanwhile: it is written out first and asked again
        if written.rendered is not None:
            _remember_content(delivery, written.rendered)
        if not deciding.follow(space, delivery, gates, now, _cause(space)):
            return None
        assert written.rendered is not None
        assert facts.address is not None
        return self._depart(space, customer, row, delivery, facts.address, written.rendered, now)

    def _depart(
        self,
        space: Workspace,
        customer: str,
        row: CustomerRow,
        delivery: Delivery,
        address: str,
        rendered: Rendered,
        now: int,
    ) -> Departure:
        adapter = self._adapters[delivery.message.channel]
        settings = settings_of(space.cursor.settings)
        delivery.state, delivery.attempts, delivery.provider = SENDING, delivery.attempts + 1, adapter.name
        delivery.deadline = now + round(adapter.capabilities.deadline * SECOND) + MARGIN
        delivery.due = delivery.deadline
        key = self._book.of(row.recipient, delivery.message.channel)
        deciding.count_contact(space, customer, delivery, key, now)
        letter = envelope(delivery.message, address, rendered, settings, self._links)
        return Departure(letter, adapter, self._monotonic())

    def _too_slow(self, space: Workspace, customer: str, message_id: str) -> None:
        """No byte left within five seconds: an opt-out may have come, so the gates run again."""
        delivery = space.customer(customer).deliveries[message_id]
        if delivery.state == SENDING:
            delivery.state, delivery.due = PENDING, None
            self._uncount(space, customer, delivery)

    def _record(self, space: Workspace, customer: str, message_id: str, outcome: Outcome, adapter: Adapter) -> None:
        delivery = space.customer(customer).deliveries[message_id]
        if delivery.state != SENDING:
            return
        now, cause = max(self._clock.now(), space.cursor.clock), _cause(space)
        if isinstance(outcome, Unknown) and self._may_repeat(delivery, adapter):
            outcome = Retry(MINUTE, "unknown", outcome.detail)
        if isinstance(outcome, Accepted):
            delivery.provider_id, delivery.provider_detail = outcome.provider_id, outcome.detail
            deciding.finish(space, delivery, Verdict.SENT, None, now, cause)
        elif isinstance(outcome, Unknown):
            deciding.give_up(space, delivery, now, outcome.detail, cause)
        elif isinstance(outcome, Retry):
            self._uncount(space, customer, delivery)
            delivery.provider_until, delivery.provider_detail = now + outcome.after, outcome.detail or outcome.code
            deciding.hold(delivery, Reason.PROVIDER, now + outcome.after)
        else:
            self._rejected(space, customer, delivery, outcome, now, cause)
        crashpoints.reach("dispatch: before decision")

    def _rejected(
        self, space: Workspace, customer: str, delivery: Delivery, outcome: Rejected, now: int, cause: Cause
    ) -> None:
        self._uncount(space, customer, delivery)
        delivery.provider_detail = f"{outcome.code} {outcome.detail}".strip()
        facts = {"code": outcome.code, "detail": outcome.detail}
        delivery.gates = [
            *delivery.gates,
            GateRecord("provider", GateVerdict.REFUSED, facts, Reason.REJECTED, Scope.CHANNEL),
        ]
        key = self._book.of(space.customer(customer).recipient, delivery.message.channel)
        if outcome.suppress and key is not None:
            space.address(key).suppressed = outcome.code
        deciding.finish(space, delivery, Verdict.NOT_SENT, Reason.REJECTED, now, cause)

    def _uncount(self, space: Workspace, customer: str, delivery: Delivery) -> None:
        key = self._book.of(space.customer(customer).recipient, delivery.message.channel)
        deciding.uncount_contact(space, customer, delivery, key)

    async def _left_behind(self, partition: int, customer: str, message_id: str, fence: Fence) -> None:
        """`sending` was committed by a process that is gone: whether bytes left, nobody knows."""

        def settle(space: Workspace) -> None:
            delivery = space.customer(customer).deliveries[message_id]
            if delivery.state != SENDING:
                return
            now, cause = max(self._clock.now(), space.cursor.clock), _cause(space)
            adapter = self._adapters.get(delivery.message.channel)
            if adapter is not None and self._may_repeat(delivery, adapter):
                self._uncount(space, customer, delivery)
                deciding.hold(delivery, Reason.PROVIDER, now)
            else:
                deciding.give_up(space, delivery, now, "the sender stopped while sending", cause)

        await self._store.transact(partition, [customer], settle, fence=fence)

    @staticmethod
    def _may_repeat(delivery: Delivery, adapter: Adapter) -> bool:
        """Repeating is harmless where the provider honours our id, or where the template says so."""
        return (adapter.capabilities.idempotent or delivery.message.repeats_allowed) and delivery.attempts < TRIES


def _remember_content(delivery: Delivery, rendered: Rendered) -> None:
    delivery.subject = rendered.subject or rendered.text[:80]
    delivery.language, delivery.content_version, delivery.links = rendered.language, rendered.version, rendered.links


def _cause(space: Workspace) -> Cause:
    return Cause(max(0, space.cursor.offset - 1), True)
