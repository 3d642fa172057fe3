"""Attempting what may leave: gates and `sending` in one transaction, then the first byte, then what came of it.

A message is written out before its gates are asked for good, since a template that cannot be rendered is a gate itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tactful import crashpoints
from tactful.clock import SECOND, Clock
from tactful.decisions import GateRecord, GateVerdict
from tactful.outbox import Cause
from tactful_dispatch import deciding, outcomes
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.channels import Adapter, Envelope, Outcome, Unknown
from tactful_dispatch.content import Content, Rendered, TemplateError
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates import WISHES, judge
from tactful_dispatch.gathering import gather, settings_of
from tactful_dispatch.links import Links
from tactful_dispatch.rows import PENDING, SENDING, Cursor, Delivery
from tactful_dispatch.store import DispatchStore, Fence, Workspace
from tactful_dispatch.writing import envelope, rendering

FIRST_BYTE: Final = 5.0  # seconds from the commit of `sending`
MARGIN: Final = 10 * SECOND  # beyond an adapter's own deadline, before an outcome is unknown


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
        if any(d.state == SENDING or d.look_again for d in row.deliveries.values()):
            await self._store.transact(partition, [customer], lambda space: self._settle(space, customer), fence=fence)
            done = True
        while waiting := (await self._store.customer(partition, customer)).waiting():
            done = True
            if not await self._attempt(partition, customer, waiting[0].name, fence):
                break
        return done

    async def _attempt(self, partition: int, customer: str, name: str, fence: Fence) -> bool:
        """Whether the next one may be tried at once."""
        written = await self._write(partition, customer, name)
        departure = await self._store.transact(
            partition, [customer], lambda space: self._gates(space, customer, name, written), fence=fence
        )
        if departure is None:
            return True
        crashpoints.reach("dispatch: sending")
        if self._monotonic() - departure.committed > FIRST_BYTE:
            await self._store.transact(
                partition, [customer], lambda space: outcomes.take_back(space, customer, name), fence=fence
            )
            return False
        outcome = await _send(departure)
        crashpoints.reach("dispatch: answered")
        await self._store.transact(
            partition, [customer], lambda space: self._record(space, customer, name, outcome), fence=fence
        )
        return True

    async def _write(self, partition: int, customer: str, name: str) -> Written:
        """Render if the gates before `content` are open as of now; they are asked again under the lock."""
        row, cursor = await self._store.customer(partition, customer), await self._store.cursor(partition)
        delivery = row.deliveries.get(name)
        if delivery is None or row.recipient is None:
            return Written()
        facts = gather(cursor, row, None, delivery, self._now(cursor), self._adapters, None)
        if not _reaches_content(judge(delivery.message, facts)):
            return Written()
        settings = settings_of(cursor.settings)
        try:
            return Written(
                await self._content.render(rendering(delivery.message, row.recipient, settings, self._links))
            )
        except TemplateError as error:
            return Written(error=str(error))

    def _gates(self, space: Workspace, customer: str, name: str, written: Written) -> Departure | None:
        delivery = space.customer(customer).deliveries.get(name)
        if delivery is None or delivery.state != PENDING:
            return None
        gates = judge(delivery.message, self._facts(space, customer, delivery, written.error))
        if written == Written() and _reaches_content(gates):
            return None  # the gates opened meanwhile: it is written out first and asked again
        if written.rendered is not None:
            _remember_content(delivery, written.rendered)
        if not deciding.follow(space, delivery, gates, self._now(space.cursor), _cause(space)):
            return None
        assert written.rendered is not None, "no message leaves whose content was not seen by its gate"
        return self._depart(space, customer, delivery, written.rendered)

    def _facts(self, space: Workspace, customer: str, delivery: Delivery, error: str | None) -> Facts:
        row = space.customer(customer)
        key = self._book.of(row.recipient, delivery.message.channel)
        address = space.address(key) if key else None
        return gather(space.cursor, row, address, delivery, self._now(space.cursor), self._adapters, error)

    def _depart(self, space: Workspace, customer: str, delivery: Delivery, rendered: Rendered) -> Departure:
        message, recipient = delivery.message, space.customer(customer).recipient
        adapter, now = self._adapters[message.channel], self._now(space.cursor)
        assert recipient is not None, "the gates saw an address"
        delivery.state, delivery.attempts, delivery.provider = SENDING, delivery.attempts + 1, adapter.name
        delivery.due = now + round(adapter.capabilities.deadline * SECOND) + MARGIN
        delivery.address = self._book.of(recipient, message.channel)
        deciding.count_contact(space, customer, delivery, now)
        address, settings = recipient.addresses[message.channel], settings_of(space.cursor.settings)
        return Departure(envelope(message, address, rendered, settings, self._links), adapter, self._monotonic())

    def _record(self, space: Workspace, customer: str, name: str, outcome: Outcome) -> None:
        delivery = space.customer(customer).deliveries.get(name)
        adapter = self._adapters.get(delivery.message.channel) if delivery else None
        outcomes.record(space, customer, name, outcome, adapter, self._now(space.cursor), _cause(space))
        crashpoints.reach("dispatch: before decision")

    def _settle(self, space: Workspace, customer: str) -> None:
        """What a process that is gone left in `sending`, and what the customer spoke about while it was held."""
        for delivery in list(space.customer(customer).deliveries.values()):
            if delivery.state == SENDING:
                self._record(space, customer, delivery.name, Unknown("the sender stopped while sending"))
            elif delivery.look_again:
                delivery.look_again = False
                gates = judge(delivery.message, self._facts(space, customer, delivery, None), WISHES)
                if gates[-1].verdict is not GateVerdict.OPEN:
                    deciding.follow(space, delivery, gates, self._now(space.cursor), _cause(space))

    def _now(self, cursor: Cursor) -> int:
        """Never before what was read from the log."""
        return max(self._clock.now(), cursor.clock)


async def _send(departure: Departure) -> Outcome:
    try:
        return await departure.adapter.send(departure.envelope)
    except Exception as error:  # noqa: BLE001 - an adapter that breaks its contract: bytes may have left
        return Unknown(f"{departure.adapter.name} failed: {type(error).__name__}: {error}")


def _reaches_content(gates: list[GateRecord]) -> bool:
    return any(gate.gate == "content" for gate in gates)


def _remember_content(delivery: Delivery, rendered: Rendered) -> None:
    delivery.subject = rendered.subject or rendered.text[:80]
    delivery.content_version, delivery.links = rendered.version, rendered.links


def _cause(space: Workspace) -> Cause:
    return Cause(max(0, space.cursor.offset - 1), True)
