"""Everything about one customer, from both services: a copy of it, and its erasure.

Erasures are also noted in `<data>/erasures`, outside of the database, so that a database restored from a back-up erases
again whom it has brought back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tactful import crashpoints
from tactful.broadcasting import broadcast
from tactful.clock import Clock
from tactful.durations import milliseconds
from tactful.erasure import Erased, Graves
from tactful.errors import InvalidInput
from tactful.events import StoryRead
from tactful.events.model import name_of
from tactful.identity import digest
from tactful.log import Log
from tactful.partitioning import partition_of
from tactful.records import (
    DISPATCH,
    EVENTS,
    EraseBody,
    EraseRecord,
    EventRecord,
    encode,
)
from tactful.settings import Settings
from tactful_dispatch.binding import wishes_of
from tactful_dispatch.ledger import ConsentEntry
from tactful_dispatch.personal import Farewell
from tactful_dispatch.store import DispatchStore
from tactful_trigger.history import HistoryRow
from tactful_trigger.row import Row, decode
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.store import TriggerStore

BROADCAST: Final = "Customer Erased"
ALL: Final = 10**9
READ: Final = name_of(StoryRead)
_encode = msgspec.json.encode
_decode_event = msgspec.json.Decoder(EventRecord).decode


class Notebook:
    """`<data>/erasures`: a grave and an instant a line, on the disk when a call returns."""

    def __init__(self, data: Path) -> None:
        self._file = data / "erasures"

    def note(self, erased: Erased) -> None:
        with self._file.open("a") as file:
            file.write(f"{erased.grave} {erased.at}\n")
            file.flush()
            os.fsync(file.fileno())

    def noted(self) -> list[Erased]:
        try:
            lines = self._file.read_text().splitlines()
        except FileNotFoundError:
            return []
        parts = [line.split() for line in lines]
        return [Erased(words[0], int(words[1])) for words in parts if len(words) == 2 and words[1].isdigit()]


class LogRemembers:
    """In place of a notebook where the log is not in the database: a database that is restored reads it again from where it
    then stands, erasures included."""

    def note(self, erased: Erased) -> None:
        return None

    def noted(self) -> list[Erased]:
        return []


class Personal:
    """Implements `tactful_dispatch.personal.PersonalData`."""

    def __init__(
        self,
        log: Log,
        trigger: TriggerStore,
        dispatch: DispatchStore,
        book: Rulebook,
        graves: Graves,
        notebook: Notebook | LogRemembers,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._log, self._trigger, self._dispatch, self._book = log, trigger, dispatch, book
        self._graves, self._notebook, self._clock, self._settings = graves, notebook, clock, settings

    async def erase(self, customer: str, via: str) -> Farewell:
        now = self._clock.now()
        self._notebook.note(Erased(self._graves.of(customer), now))
        crashpoints.reach("erasure: noted")
        await self._tell(customer, now, via)
        return Farewell(now, now + milliseconds(self._settings().log.retention))

    async def export(self, customer: str) -> bytes:
        name = await self._who(customer)
        await self._refuse_erased(name)
        row = await self._row(name)
        names = [name, *(row.absorbed if row else ())]
        told = {each: await self._dispatched(each) for each in names}
        history = {each: await self._history(each) for each in names}
        if row is None and not any(history.values()) and not any(any(part.values()) for part in told.values()):
            raise InvalidInput("unknown_customer", f"nothing is known about {customer}")
        return _encode({"customer": name, "names": names, "known": _known(row), "history": history, "messages": told})

    async def erase_again(self) -> int:
        """What was erased and is in the database all the same, because it was restored; how many customers."""
        missing = await self._missing()
        if not missing:
            return 0
        everybody = sorted({*await self._trigger.everybody(), *await self._dispatch.everybody()})
        back = {grave: name for name in everybody if (grave := self._graves.of(name)) in missing}
        for grave, at in sorted(missing.items()):
            if grave in back:
                await self._tell(back[grave], at, "restored")
            else:
                await self._tell_all(Erased(grave, at))
        return len(back)

    async def _missing(self) -> dict[str, int]:
        noted = {erased.grave: erased.at for erased in self._notebook.noted()}
        for partition in range(self._log.partitions):
            for known in (await self._trigger.graves(partition), await self._dispatch.graves(partition)):
                for grave, at in known.items():
                    if noted.get(grave, at + 1) <= at:
                        del noted[grave]
        return noted

    async def _tell(self, customer: str, at: int, via: str) -> None:
        name = digest("erase", customer, str(at))
        record = EraseRecord(id=name, key=customer, at=self._clock.now(), body=EraseBody(at, via))
        await self._log.append(EVENTS, [(partition_of(customer, self._log.partitions), encode(record))])

    async def _tell_all(self, erased: Erased) -> None:
        id, data = digest("erased", erased.grave), _encode({"grave": erased.grave, "at": erased.at})
        await broadcast(self._log, (EVENTS, DISPATCH), id, BROADCAST, data, self._clock.now())

    async def _who(self, customer: str) -> str:
        while (row := await self._row(customer)) is not None and row.linked_to:
            customer = row.linked_to
        return customer

    async def _row(self, customer: str) -> Row | None:
        stored = await self._trigger.load(partition_of(customer, self._log.partitions), [customer])
        return decode(customer, stored[customer], self._book.projections) if customer in stored else None

    async def _refuse_erased(self, customer: str) -> None:
        graves = await self._trigger.graves(partition_of(customer, self._log.partitions))
        if self._graves.of(customer) in graves:
            raise InvalidInput("erased", f"{customer} was erased; nothing is kept")

    async def _history(self, customer: str) -> list[dict[str, Any]]:
        lines = await self._trigger.history(customer, ALL)
        return [
            {"at": line.at, "kind": line.kind, "rule": line.rule, "run": line.run, "data": msgspec.Raw(line.data)}
            for line in lines
            if not _is_of_the_staff(line)
        ]

    async def _dispatched(self, customer: str) -> dict[str, Any]:
        partition = partition_of(customer, self._log.partitions)
        row = await self._dispatch.customer(partition, customer)
        entries = (
            msgspec.json.decode(link.entry, type=ConsentEntry)
            for link in await self._dispatch.ledger(partition)
            if link.entry is not None
        )
        return {
            "recipient": row.recipient,
            "consent": [entry for entry in entries if entry.customer == customer],
            "waiting": list(row.deliveries.values()),
            "sent": await self._dispatch.sent(customer, ALL),
            "wishes": wishes_of(row),
        }


def _known(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {}
    states = {name: state[1] if isinstance(state, tuple) else state for name, state in row.states.items()}
    return {"states": states, "runs": row.runs}


def _is_of_the_staff(line: HistoryRow) -> bool:
    """Who at the shop has read the story is for the shop: staff have a right to their names too (CJEU, C-579/21)."""
    return line.kind == "event" and _decode_event(line.data).body.name == READ
