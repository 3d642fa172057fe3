"""Erasing a customer under every name, and keeping them erased. Pure.

A grave is a keyed hash. What comes under a name whose hash is a grave is dropped, until a server registers the customer
anew, or dispatch says that they have consented since.
"""

from __future__ import annotations

import msgspec

from tactful.erasure import Erased, Graves
from tactful.identity import digest, is_anonymous
from tactful.records import (
    DISPATCH,
    EVENTS,
    AbsorbRecord,
    BroadcastRecord,
    EraseBody,
    EraseRecord,
    EventRecord,
    EventsTopic,
    LinkRecord,
)
from tactful_trigger.effects import Effects
from tactful_trigger.happening import is_forwarded
from tactful_trigger.partition import Partition


class Erasing:
    """Graves within one slice."""

    def __init__(self, partition: Partition, effects: Effects, graves: Graves) -> None:
        self._partition, self._effects, self._graves = partition, effects, graves

    def erase(self, record: EraseRecord, at: int) -> None:
        """Row, runs, journals, timers, history; and the same under every other name, and at dispatch."""
        customer, partition, body = record.key, self._partition, record.body
        grave = self._graves.of(customer)
        if partition.graves.get(grave, -1) >= body.at:
            return
        row = partition.rows.get(customer)
        if row is not None and row.linked_to and not body.down:
            self._pass_on(row.linked_to, body, at, EVENTS)
        for name in () if row is None else row.absorbed:
            self._pass_down(name, body, at)
        self._pass_on(customer, body, at, DISPATCH)
        self._effects.erase(customer, Erased(grave, body.at))
        partition.rows[customer] = None
        partition.pasts = {name: lines for name, lines in partition.pasts.items() if name != customer}
        partition.graves = {**partition.graves, grave: body.at}
        partition.cursor.late.discard(customer)
        partition.cursor.forget_words()

    def is_gone(self, record: EventsTopic) -> bool:
        """Whether a record is about somebody who was erased, and does not bring them back."""
        graves = self._partition.graves
        if not graves or self._partition.rows.get(record.key) is not None:
            return False
        if isinstance(record, EraseRecord | BroadcastRecord):
            return False
        grave = self._graves.of(record.key)
        if (erased_at := graves.get(grave)) is None:
            return False
        if not _revives(record, erased_at):
            if isinstance(record, AbsorbRecord):
                # They were one when whoever was erased was asked; or a visitor says that they are whoever was erased.
                self._pass_down(record.body.absorbed, EraseBody(erased_at), record.at)
            return True
        self._partition.graves = {known: at for known, at in graves.items() if known != grave}
        self._effects.revived.append(grave)
        return False

    def remember(self, erased: Erased) -> None:
        """A grave that a restored store has lost."""
        if self._partition.graves.get(erased.grave, -1) < erased.at:
            self._partition.graves = {**self._partition.graves, erased.grave: erased.at}
            self._effects.graves.append(erased)

    def _pass_down(self, earlier: str, body: EraseBody, at: int) -> None:
        self._pass_on(earlier, msgspec.structs.replace(body, down=True), at, EVENTS)

    def _pass_on(self, customer: str, body: EraseBody, at: int, topic: str) -> None:
        name = digest("erase", topic, customer, str(body.at))
        self._effects.put(topic, EraseRecord(id=name, key=customer, at=at, body=body))


def _revives(record: EventsTopic, erased_at: int) -> bool:
    """A server vouches for the customer, they consented, or a visitor's device is in somebody's hands again."""
    if isinstance(record, LinkRecord):
        return is_anonymous(record.key) and record.at > erased_at
    if not isinstance(record, EventRecord) or _happened(record) <= erased_at:
        return False
    if record.body.name == "Identify":
        return record.body.scope == "server" and not record.body.history
    return record.body.name == "Consent Changed" and _wanted(record.body.properties)


def _happened(record: EventRecord) -> int:
    """When an event happened; a forwarded one no later than it was first appended, since the door's clock may have been ahead."""
    return min(record.body.occurred_at, record.at) if is_forwarded(record) else record.body.occurred_at


def _wanted(properties: msgspec.Raw) -> bool:
    return msgspec.json.decode(properties).get("state") in ("granted", "requested")
