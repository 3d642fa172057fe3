"""Applying records of `dispatch` to the rows of their customers, timers first. Pure but for the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

import msgspec

from tactful.erasure import ERASED, Erased, Graves
from tactful.errors import InvalidInput
from tactful.log import Stored
from tactful.partitions.clockcheck import APART
from tactful.partitions.outbox import Cause, Taken
from tactful.records import (
    BindRecord,
    BroadcastBody,
    BroadcastRecord,
    CancelBody,
    CancelRecord,
    ConfirmBody,
    ConfirmRecord,
    ConsentRecord,
    DispatchTopic,
    EraseRecord,
    InheritRecord,
    LinkedRecord,
    MessageBody,
    MessageRecord,
    RecipientRecord,
    SuppressRecord,
    TickRecord,
    decode_dispatch,
)
from tactful.settings import settings_from_log
from tactful_dispatch.applying import deciding
from tactful_dispatch.applying.binding import take_binding
from tactful_dispatch.applying.consenting import take_consent
from tactful_dispatch.applying.flagging import keep_flagged
from tactful_dispatch.applying.forgetting import forget, is_gone
from tactful_dispatch.applying.inheriting import inherit, link, pass_on
from tactful_dispatch.applying.receiving import take_recipient
from tactful_dispatch.applying.suppressing import lock_listed, take_listed
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import Delivery, urgency
from tactful_dispatch.store import Workspace


def read(slice_: Iterable[Stored]) -> list[DispatchTopic]:
    """Decode a slice. Raises InvalidInput for a record that is none of ours."""
    records = []
    for stored in slice_:
        try:
            records.append(decode_dispatch(stored.value))
        except msgspec.MsgspecError as error:
            raise InvalidInput("unreadable_record", f"offset {stored.offset}: {error}") from None
    return records


def customers_of(records: Iterable[DispatchTopic]) -> set[str]:
    """Whose records these are. Ticks and broadcasts are nobody's, and what is on a list is an address."""
    return {r.key for r in records if not isinstance(r, TickRecord | BroadcastRecord | SuppressRecord)}


def limit_of(stored: Stored, record: DispatchTopic) -> int:
    """Timers due before this instant fire before the record is applied."""
    if isinstance(record, TickRecord) and record.body.closes is not None:
        return record.body.closes + 1
    return stored.appended


def resumes(record: DispatchTopic) -> bool:
    """Whether it lets all sending go on, so that what was kept need not wait until it is looked at."""
    return isinstance(record, BroadcastRecord) and record.body.name == "Sending Resumed"


def _as_of_its_arrival(record: ConsentRecord, at: int) -> ConsentRecord:
    """Nothing was said after it was appended: a door whose clock is ahead must not have a grant outlast an opt-out that comes after it.
    Nor must one whose clock is behind have an opt-out come before the grant that it takes back."""
    behind = at - record.at if record.origin is None and record.body.state == "withdrawn" else 0
    said_at = min(record.body.occurred_at + (behind if behind > APART else 0), at)
    return msgspec.structs.replace(record, body=msgspec.structs.replace(record.body, occurred_at=said_at))


class DispatchSlice:
    """One computation inside one transaction. `dues` are the customers that time moves on, from the store."""

    def __init__(self, space: Workspace, book: AddressBook, graves: Graves, dues: Iterable[tuple[int, str]]) -> None:
        self._space, self._book, self._graves, self._dues = space, book, graves, list(dues)
        heapify(self._dues)
        self._offset = 0

    def apply(self, slice_: Sequence[Stored], records: Sequence[DispatchTopic], horizon: tuple[int, str]) -> None:
        """Apply the records, before each what falls due until then; the cursor moves behind them. What falls due from `horizon` (due,
        customer) on is not known here: the first record that comes after more than that is not applied yet."""
        cursor = self._space.cursor
        taken = Taken(cursor.taken)
        lock_listed(self._space, records)
        for stored, record in zip(slice_, records, strict=True):
            self._offset = stored.offset
            limit = limit_of(stored, record), ""
            self._fire_before(min(limit, horizon))
            if limit > horizon:
                break
            cursor.clock = max(cursor.clock, stored.appended)
            if taken.take(record.origin) and not is_gone(self._space, self._graves, record):
                self._space.cause = Cause(stored.offset, True)
                self._apply(record, stored.appended)
            cursor.offset = stored.offset + 1
            if not isinstance(record, TickRecord):  # our own come through in the worst of floods
                cursor.poison = 0
        cursor.taken = taken.last

    def _fire_before(self, end: tuple[int, str]) -> None:
        while self._dues and self._dues[0] < end:
            due, customer = heappop(self._dues)
            row = self._space.customer(customer)
            self._space.cause = Cause(self._offset, False, due, customer)
            for delivery in sorted(row.deliveries.values(), key=urgency):  # so that the urgent is confirmed first
                if delivery.due is not None and delivery.due <= due:
                    deciding.time_is_up(self._space, delivery, delivery.due)
            self._watch(customer)

    def _let_go(self, at: int) -> None:
        """Of what a stop has kept: each at its own moment, the first at once."""
        for customer in sorted({customer for _, customer in self._dues}):
            for delivery in self._space.customer(customer).deliveries.values():
                deciding.let_go(self._space.cursor, delivery, at)
            self._watch(customer)

    def _watch(self, customer: str) -> None:
        due = self._space.customer(customer).due
        if due is not None:
            heappush(self._dues, (due, customer))

    def _apply(self, record: DispatchTopic, at: int) -> None:
        if isinstance(record, MessageRecord):
            self._message(record.key, record.body)
        elif isinstance(record, CancelRecord):
            self._cancel(record.key, record.body, at)
        elif isinstance(record, ConfirmRecord):
            self._confirm(record.key, record.body)
        elif isinstance(record, BroadcastRecord):
            self._broadcast(record.body, at)
        elif isinstance(record, SuppressRecord):
            take_listed(self._space, record, at)
        else:
            self._about_customer(record, at)

    def _about_customer(self, record: DispatchTopic, at: int) -> None:
        if isinstance(record, RecipientRecord):
            take_recipient(self._space, self._book, record.key, record.body)
        elif isinstance(record, ConsentRecord):
            record = _as_of_its_arrival(record, at)
            if not pass_on(self._space, record, at):
                take_consent(self._space, self._book, record, at)
        elif isinstance(record, LinkedRecord):
            link(self._space, self._book, record.key, record.body.customer, at)
        elif isinstance(record, BindRecord):
            take_binding(self._space, record, at)
        elif isinstance(record, InheritRecord):
            inherit(self._space, self._book, record, at)
        elif isinstance(record, EraseRecord):
            forget(self._space, self._book, self._graves, record)

    def _message(self, customer: str, message: MessageBody) -> None:
        row, name = self._space.customer(customer), message.message_id
        keep_flagged(self._space, self._book, customer)
        row.arrived += 1
        known = row.deliveries.get(name)
        if known is not None and known.open:
            return  # the one decision that is still to come answers both
        delivery = Delivery(message=message, order=row.arrived, cancelled=row.cancelled.pop(name, ""))
        if known is not None or self._space.knows(name):
            delivery.again = row.arrived
        row.deliveries[delivery.name] = delivery

    def _cancel(self, customer: str, body: CancelBody, at: int) -> None:
        row = self._space.customer(customer)
        delivery = row.deliveries.get(body.message_id)
        if delivery is not None:
            deciding.cancel(self._space, delivery, body.reason, body.note, at)
        elif not self._space.knows(body.message_id):
            row.cancelled[body.message_id] = body.reason

    def _confirm(self, customer: str, body: ConfirmBody) -> None:
        delivery = self._space.customer(customer).deliveries.get(body.message_id)
        if delivery is not None and deciding.confirm(delivery, body.hold):
            delivery.message = msgspec.structs.replace(delivery.message, data=body.data)

    def _broadcast(self, body: BroadcastBody, at: int) -> None:
        cursor, data = self._space.cursor, msgspec.json.decode(body.data)
        if body.name == "Settings Changed":
            settings_from_log(bytes(body.data))
            cursor.settings = bytes(body.data).decode()
        elif body.name == "Sending Stopped":
            cursor.stopped, cursor.stopped_why = data.get("by") or "operator", data.get("why", "")
            cursor.stopped_at, cursor.expired = at, 0
        elif body.name == "Sending Resumed":
            cursor.stopped, cursor.resumed_at, cursor.over = "", at, data.get("over", 0)
            self._let_go(at)
        elif body.name == ERASED and self._space.grave(data["grave"]) < data["at"]:
            self._space.bury(Erased(data["grave"], data["at"]))
            cursor.graves += 1
