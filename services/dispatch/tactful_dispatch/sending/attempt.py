"""Attempting what may leave: gates and `sending` in one transaction, then the first byte, then what came of it.

A message is written out before its gates are asked for good, since a template that cannot be rendered is a gate itself.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tactful import crashpoints
from tactful.clock import SECOND, Clock
from tactful.decisions import GateRecord, GateVerdict, Reason
from tactful.errors import Fenced, Transient
from tactful.partitions.clockcheck import APART
from tactful.telemetry import SILENT, Telemetry
from tactful.together import all_done, settled
from tactful_dispatch.applying import contacting, deciding
from tactful_dispatch.channels import FIRST_BYTE, Adapter, Envelope, Outcome, Unknown
from tactful_dispatch.channels.words import kept
from tactful_dispatch.content import Content, Rendered, TemplateError
from tactful_dispatch.content.tracking import gist
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates import WISHES, judge
from tactful_dispatch.gates.verdicts import failure
from tactful_dispatch.links import Links
from tactful_dispatch.sending import outcomes
from tactful_dispatch.sending.gathering import address_on, gather, settings_of
from tactful_dispatch.sending.providers import Providers
from tactful_dispatch.sending.writing import envelope, rendering
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import PENDING, SENDING, AddressKey, AddressRow, Cursor, CustomerRow, Delivery
from tactful_dispatch.store import DispatchStore, Fence, Workspace

REMEMBERED: Final = 1000  # attempts of which more is known than could be recorded
MARGIN: Final = 10 * SECOND  # beyond an adapter's own deadline, before an outcome is unknown

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it would leave now, or why its template cannot be rendered; neither, if rendering was not tried. `muted`: the
    categories that were left out."""

    rendered: Rendered | None = None
    error: str | None = None
    muted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Departure:
    """`sending` is committed: the envelope has five seconds to begin to leave."""

    envelope: Envelope
    adapter: Adapter
    attempt: int  # the delivery's n-th
    committed: float  # monotonic


@dataclass(frozen=True, slots=True)
class Stayed:
    """No byte of an attempt left that was made under this epoch. Under a later epoch another process may have attempted it since."""

    epoch: int


class Attempts:
    """Sends what may leave, for partitions that this process owns. `monotonic` gives seconds that never go back."""

    def __init__(
        self,
        store: DispatchStore,
        adapters: Mapping[str, Adapter],
        content: Content,
        links: Links,
        book: AddressBook,
        clock: Clock,
        monotonic: Callable[[], float],
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._store, self._adapters, self._content, self._links = store, adapters, content, links
        self._book, self._clock, self._monotonic, self._telemetry = book, clock, monotonic, telemetry
        self.outcomes = Counter[tuple[str, str]]()  # (channel, what the provider said), since this was made
        self.unwritten = Counter[str]()  # templates that could not be rendered, each look counted
        self._named = set[str]()  # lines of templates that the log has named already
        self._providers = Providers()
        # By delivery and attempt: outcomes that could not be recorded yet.
        self._known: dict[tuple[str, int], Outcome | Stayed] = {}

    async def attempt(self, partition: int, fence: Fence, customers: Sequence[str]) -> bool:
        """Attempt the most urgent pending message of each of these customers; whether anything was done.

        The gates of all are asked in one transaction, and answers that arrive together are recorded in one. If one customer's rows
        cannot be stored, the others do not wait for it: each is attempted alone, and the first error is raised at the end."""
        try:
            return await self._together(partition, fence, customers)
        except (Transient, Fenced):
            raise
        except Exception:
            if len(customers) == 1:
                raise
        done, failed = False, None
        for customer in customers:
            try:
                done |= await self._together(partition, fence, [customer])
            except (Transient, Fenced):
                raise
            except Exception as error:  # noqa: BLE001 - it is raised once everybody else has had their turn
                failed = failed or error
        if failed is not None:
            raise failed
        return done

    async def _together(self, partition: int, fence: Fence, customers: Sequence[str]) -> bool:
        done = False
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        rows = await self._store.customers(partition, customers)
        if unsettled := [customer for customer, row in rows.items() if _is_unsettled(row)]:
            await self._store.transact(partition, unsettled, partial(self._settle_all, unsettled), fence=fence)
            done, rows = True, await self._store.customers(partition, customers)
        names = {customer: waiting[0].name for customer, row in rows.items() if (waiting := row.waiting())}
        if names:
            await self._attempt_each(partition, rows, names, fence)
        return done or bool(names)

    async def _attempt_each(
        self, partition: int, rows: Mapping[str, CustomerRow], names: Mapping[str, str], fence: Fence
    ) -> None:
        """Attempt one delivery of each customer; `names` holds its name. The log is read before a customer's next one: somebody may have
        stopped all sending meanwhile."""
        written = await self._write(partition, rows, names)

        def gates(space: Workspace) -> dict[str, Departure]:
            space.lock_addresses(self._addresses(space, names))
            told = {
                customer: self._ask_gates(space, customer, name, written[customer]) for customer, name in names.items()
            }
            return {customer: departure for customer, departure in told.items() if departure is not None}

        try:
            departures = await self._store.transact(partition, list(names), gates, fence=fence)
        except Exception:  # it may have been committed all the same
            for customer, name in names.items():
                attempt = rows[customer].deliveries[name].attempts + 1
                self._known.setdefault((name, attempt), Stayed(fence.epoch))
            raise
        for customer, departure in departures.items():
            self._known.pop((names[customer], departure.attempt), None)
        if departures:
            crashpoints.reach("dispatch: sending")
        await self._send_all(partition, departures, names, fence)

    def _addresses(self, space: Workspace, names: Mapping[str, str]) -> list[AddressKey]:
        found = []
        for customer, name in names.items():
            row = space.customer(customer)
            if (delivery := row.deliveries.get(name)) is not None:
                found.append(self._book.of(row.recipient, delivery.message.channel))
        return [key for key in found if key is not None]

    async def _send_all(
        self, partition: int, leaving: Mapping[str, Departure], names: Mapping[str, str], fence: Fence
    ) -> None:
        """Send them at the same time and record the outcomes as they arrive. All are waited for, since a message that is left behind would
        count as unknown. An outcome that cannot be recorded is remembered, and the first error is raised at the end."""
        failed: Exception | None = None
        async for answered in settled({customer: self._send(departure) for customer, departure in leaving.items()}):
            told = [(customer, names[customer], outcome) for customer, outcome in answered.items()]
            for customer, name, outcome in told:
                self._known[name, leaving[customer].attempt] = Stayed(fence.epoch) if outcome is None else outcome
                if outcome is None:
                    continue
                self.outcomes[leaving[customer].envelope.channel, type(outcome).__name__.lower()] += 1
            crashpoints.reach("dispatch: answered")
            try:
                await self._store.transact(partition, list(answered), partial(self._record_all, told), fence=fence)
            except Exception as error:  # noqa: BLE001 - it is raised once everybody's answer is known
                failed = failed or error
                continue
            for customer, name, _ in told:
                self._known.pop((name, leaving[customer].attempt), None)
        if failed is not None:
            raise failed

    async def _write(
        self, partition: int, rows: Mapping[str, CustomerRow], names: Mapping[str, str]
    ) -> dict[str, Written]:
        """Render the messages whose gates before `content` are open now. All gates are asked again under the lock."""
        cursor = await self._store.cursor(partition)
        found = await all_done(self._write_one(cursor, rows[customer], name) for customer, name in names.items())
        return dict(zip(names, found, strict=True))

    async def _write_one(self, cursor: Cursor, row: CustomerRow, name: str) -> Written:
        delivery = row.deliveries.get(name)
        if delivery is None or row.recipient is None:
            return Written()
        facts = self._gather(cursor, row, None, delivery, None)
        asked = judge(delivery.message, facts)
        if not _reaches_content(asked):
            if asked[-1].reason is Reason.TEMPLATE_ERROR:  # a gate could not read its facts
                self._note_unwritten(delivery, asked[-1].facts["error"])
            return Written()
        settings = settings_of(cursor.settings)
        try:
            sent_to = self._book.of(row.recipient, delivery.message.channel)
            seen = rendering(delivery, row.recipient, settings, self._links, sent_to, row.muted_topics)
            return Written(await self._content.render(seen), muted=row.muted_topics)
        except Exception as error:  # noqa: BLE001 - it holds this message, and nobody else's
            why = str(error) if isinstance(error, TemplateError) else failure(delivery.message, error)
            self._note_unwritten(delivery, why)
            return Written(error=why)

    def _note_unwritten(self, delivery: Delivery, why: str) -> None:
        self.unwritten[delivery.message.template] += 1
        if (place := why.partition(": ")[0]) not in self._named:  # once is enough for a log; the metric counts
            self._named.add(place)
            _logger.error("messages wait, a template cannot be rendered: %s", place)

    def _ask_gates(self, space: Workspace, customer: str, name: str, written: Written) -> Departure | None:
        row = space.customer(customer)
        delivery = row.deliveries.get(name)
        if delivery is None or delivery.state != PENDING:
            return None
        if written.rendered is not None and written.muted != row.muted_topics:
            return None  # it is written out anew, and asked again
        facts = self._facts(space, delivery, written.error)
        if facts.address_shared and not delivery.shared:
            delivery.shared = True
            return None  # it is written out anew, and asked again
        gates = judge(delivery.message, facts)
        if written == Written() and _reaches_content(gates):
            return None  # the gates opened meanwhile: it is written out first and asked again
        if written.rendered is not None:
            _remember_content(delivery, written.rendered)
        if not deciding.follow(space, delivery, gates, self._now(space.cursor)):
            return None
        assert written.rendered is not None, "no message leaves whose content was not seen by its gate"
        return self._depart(space, delivery, written.rendered)

    def _facts(self, space: Workspace, delivery: Delivery, error: str | None) -> Facts:
        row = space.customer(delivery.message.customer)
        key = self._book.of(row.recipient, delivery.message.channel)
        address = space.address(key) if key else None
        return self._gather(space.cursor, row, address, delivery, error)

    def _gather(
        self, cursor: Cursor, row: CustomerRow, address: AddressRow | None, delivery: Delivery, error: str | None
    ) -> Facts:
        facts = gather(cursor, row, address, delivery, self._now(cursor), self._adapters, error)
        adapter = self._adapters.get(delivery.message.channel)
        silence = self._providers.silence_of(adapter.name if adapter else "")
        if silence.until <= facts.provider_until:
            return facts
        return replace(facts, provider_until=silence.until, provider_detail=silence.detail)

    def _depart(self, space: Workspace, delivery: Delivery, rendered: Rendered) -> Departure:
        message, recipient = delivery.message, space.customer(delivery.message.customer).recipient
        adapter, now = self._adapters[message.channel], self._now(space.cursor)
        assert recipient is not None, "the gates saw an address"
        delivery.state, delivery.attempts, delivery.provider = SENDING, delivery.attempts + 1, adapter.name
        delivery.due = now + round(adapter.capabilities.deadline * SECOND) + MARGIN
        delivery.address = self._book.of(recipient, message.channel)
        contacting.note_use(space, delivery)
        contacting.count_contact(space, delivery, now)
        settings = settings_of(space.cursor.settings)
        address = address_on(recipient, message.channel, settings)
        assert address is not None, "the gates saw an address"
        leaving = envelope(message, address, rendered, settings, self._links, delivery.address)
        return Departure(leaving, adapter, delivery.attempts, self._monotonic())

    def _record_all(self, told: Sequence[tuple[str, str, Outcome | None]], space: Workspace) -> None:
        for customer, name, outcome in told:
            delivery = space.customer(customer).deliveries.get(name)
            if delivery is None:  # decided or erased meanwhile
                continue
            if outcome is None:
                outcomes.take_back(space, delivery)
            else:
                self._record(space, delivery, outcome)

    def _record(self, space: Workspace, delivery: Delivery, outcome: Outcome) -> None:
        adapter = self._adapters.get(delivery.message.channel)
        outcomes.record(space, delivery, outcome, adapter, self._now(space.cursor))
        crashpoints.reach("dispatch: before decision")

    def record_known(self, customers: Iterable[str], space: Workspace) -> None:
        """Record outcomes that this process remembers. Called before timers and cancellations are applied: what they find in `sending` they
        would call unknown, or leave alone."""
        for customer in customers if self._known else ():
            for delivery in list(space.customer(customer).deliveries.values()):
                if delivery.state == SENDING:
                    self._record_known(space, delivery)

    def _record_known(self, space: Workspace, delivery: Delivery) -> bool:
        """Record the outcome of a delivery that is in `sending`, if this process remembers it; whether it does."""
        known = self._known.get((delivery.name, delivery.attempts))
        if isinstance(known, Stayed):
            if known.epoch != space.cursor.epoch:
                return False
            outcomes.take_back(space, delivery)
        elif known is not None:
            self._record(space, delivery, known)
        return known is not None

    def _settle_all(self, customers: Sequence[str], space: Workspace) -> None:
        for customer in customers:
            self._settle(space, customer)

    def _settle(self, space: Workspace, customer: str) -> None:
        """End what is in `sending`: this process remembers the outcome if only recording it failed; if the process that sent is gone,
        nobody knows. And ask the gates of the customer's wishes about what is held, if they said something meanwhile."""
        for delivery in list(space.customer(customer).deliveries.values()):
            if delivery.state == SENDING:
                if not self._record_known(space, delivery):
                    self._record(space, delivery, Unknown("the sender stopped while sending"))
            elif delivery.look_again:
                delivery.look_again = False
                gates = judge(delivery.message, self._facts(space, delivery, None), WISHES)
                if gates[-1].verdict is not GateVerdict.OPEN:
                    deciding.follow(space, delivery, gates, self._now(space.cursor))

    async def _send(self, departure: Departure) -> Outcome | None:
        """What the provider said; None if it was too late for the first byte, as when the process stood still for a while."""
        envelope, adapter = departure.envelope, departure.adapter
        began = self._monotonic()
        opening = FIRST_BYTE - (began - departure.committed)
        if opening <= 0:
            return None
        with self._telemetry.span(
            f"send {envelope.channel}", "client", message=envelope.message_id, attempt=departure.attempt
        ) as note:
            try:
                outcome = await adapter.send(envelope, opening)
            except Exception as error:  # noqa: BLE001 - an adapter that breaks its contract: bytes may have left
                outcome = Unknown(f"{adapter.name} failed: {type(error).__name__}: {error}")
            outcome = kept(outcome, envelope.address)
            self._providers.note(adapter.name, outcome, self._monotonic() - began, self._clock.now())
            note(outcome=type(outcome).__name__.lower())
        return outcome

    def _now(self, cursor: Cursor) -> int:
        """This machine's time, kept near the log's: never before the latest append time that was read, and not far beyond it, since a clock
        that is hours ahead must not have messages held for hours."""
        return min(max(self._clock.now(), cursor.clock), cursor.clock + APART)


def _is_unsettled(row: CustomerRow) -> bool:
    return any(delivery.state == SENDING or delivery.look_again for delivery in row.deliveries.values())


def _reaches_content(gates: list[GateRecord]) -> bool:
    return any(gate.gate == "content" for gate in gates)


def _remember_content(delivery: Delivery, rendered: Rendered) -> None:
    delivery.subject = gist(rendered)
    delivery.content_version, delivery.links = rendered.version, rendered.links
