"""A provider that looks over dispatch's shoulder: at every first byte it notes what had been committed by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tactful.clock import Clock
from tactful.identity import fraction, is_anonymous
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, CancelRecord, decode_dispatch
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Capabilities, Envelope, Outcome, Rejected, Retry, Unknown
from tactful_dispatch.state.ledger import ConsentEntry
from tactful_dispatch.state.rows import SENDING
from tactful_dispatch.store import DispatchStore

CHANNELS: Final = ("email", "push", "sms")


class Departure(NamedTuple):
    """One first byte, and what was true in the store at that instant."""

    message_id: str
    subject: str
    # The customer's latest word in the ledger is a no, or was, of whoever shares the address, at the gate.
    withdrawn: bool
    cancelled: bool  # dispatch had read that the run no longer wants it
    committed: bool  # as `sending`
    unread_for: int  # ms since the latest append time that dispatch had read


class WatchfulProvider:
    """Mostly accepts. What it says to an attempt depends on the seed and the attempt alone."""

    name = "provider"
    capabilities = Capabilities()

    def __init__(
        self,
        seed: int,
        log: Log,
        store: DispatchStore,
        clock: Clock,
        sharing: dict[str, str],
        as_of: Mapping[tuple[str, int], Sequence[int]],
    ) -> None:
        """`sharing`: customer -> the other one who uses the same e-mail address. `as_of`: message and attempt -> how many
        entries each partition's ledger had as it became `sending`."""
        self._seed, self._log, self._store, self._clock, self._sharing = str(seed), log, store, clock, sharing
        self._as_of = as_of
        self.answers: dict[str, list[Outcome]] = {}
        self.departures: list[Departure] = []

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        self.departures.append(await self._look(envelope))
        said = self.answers.setdefault(envelope.message_id, [])
        said.append(self._answer(envelope.message_id, len(said)))
        return said[-1]

    def _answer(self, message_id: str, nth: int) -> Outcome:
        drawn = fraction("answer", self._seed, message_id, str(nth))
        if drawn < 0.1:
            return Retry(7 * 60_000, "busy")
        if drawn < 0.15:
            return Rejected("550", "no")
        return Unknown("silence") if drawn < 0.25 else Accepted(message_id)

    async def _look(self, envelope: Envelope) -> Departure:
        partition = partition_of(envelope.customer, self._log.partitions)
        cursor = await self._store.cursor(partition)
        delivery = await self._store.delivery(envelope.message_id)
        return Departure(
            envelope.message_id,
            envelope.rendered.subject,
            await self._is_withdrawn(envelope, 0 if delivery is None else delivery.attempts),
            await self._is_cancelled(envelope.message_id, partition, cursor.offset),
            delivery is not None and delivery.state == SENDING,
            self._clock.now() - cursor.clock,
        )

    async def _is_cancelled(self, message_id: str, partition: int, through: int) -> bool:
        read = [decode_dispatch(stored.value) for stored in await self._log.read(DISPATCH, partition, 0, through)]
        return any(isinstance(record, CancelRecord) and record.body.message_id == message_id for record in read)

    async def _is_withdrawn(self, envelope: Envelope, attempt: int) -> bool:
        """Whoever shares the address may withdraw between the gate and the first byte: another partition's ledger goes on."""
        said = _weighed(await self._said(envelope.customer))
        granted = [
            (at, n) for at, n, entry in said if entry.state == "granted" and entry.channel in ("", envelope.channel)
        ]
        if not granted or said[-1][2].state == "withdrawn":
            return True
        other = self._sharing.get(envelope.customer) if envelope.channel == "email" else None
        return other is not None and any(
            entry.state == "withdrawn" and entry.channel in ("", "email") and at > granted[-1][0]
            for at, number, entry in await self._said(other)
            if number <= self._as_of[envelope.message_id, attempt][partition_of(other, self._log.partitions)]
        )

    async def _said(self, customer: str) -> list[tuple[int, int, ConsentEntry]]:
        """What a customer said, by when it was said."""
        links = await self._store.ledger(partition_of(customer, self._log.partitions))
        entries = ((link.number, msgspec.json.decode(link.entry or b"", type=ConsentEntry)) for link in links)
        mine = ((entry.occurred_at, number, entry) for number, entry in entries if entry.customer == customer)
        return sorted(mine, key=lambda said: said[:2])


def _weighed(said: list[tuple[int, int, ConsentEntry]]) -> list[tuple[int, int, ConsentEntry]]:
    """What counts: while anything stands that the customer withdrew, what was granted before anybody knew them does not."""
    own = {entry.channel: entry.state for _, _, entry in said if not _by_stranger(entry)}  # the latest of each channel
    if "withdrawn" not in own.values():
        return said
    return [each for each in said if each[2].state == "withdrawn" or not _by_stranger(each[2])]


def _by_stranger(entry: ConsentEntry) -> bool:
    return entry.proof.get("stranger", False) or is_anonymous(entry.proof.get("said_as", ""))
