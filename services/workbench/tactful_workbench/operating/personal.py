"""Everything about one customer, from both services: a copy of it, and its erasure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from tactful import crashpoints
from tactful.clock import Clock
from tactful.durations import milliseconds
from tactful.erasure import ERASED, Erased, Graves
from tactful.errors import InvalidInput
from tactful.events import StoryRead
from tactful.events.model import name_of
from tactful.identity import digest
from tactful.log import Log
from tactful.log.broadcasting import broadcast
from tactful.log.partitioning import partition_of
from tactful.records import (
    DISPATCH,
    EVENTS,
    EraseBody,
    EraseRecord,
    EventRecord,
    RecipientBody,
    encode,
)
from tactful.settings import Settings
from tactful_dispatch.applying.binding import wishes_of
from tactful_dispatch.desk.personal import Farewell
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.ledger import ConsentEntry
from tactful_dispatch.state.rows import FLAGGED
from tactful_dispatch.store import DispatchStore
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.history import HistoryRow
from tactful_trigger.state.row import Row, decode
from tactful_trigger.store import TriggerStore
from tactful_workbench.operating.notebook import LogRemembers, Notebook

ALL: Final = 10**9
LOT: Final = 5_000  # names read at once
READ: Final = name_of(StoryRead)
_encode = msgspec.json.encode
_decode_event = msgspec.json.Decoder(EventRecord).decode


class Personal:
    """Implements `tactful_dispatch.desk.personal.PersonalData`."""

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
        addresses: AddressBook,
    ) -> None:
        self._log, self._trigger, self._dispatch, self._book = log, trigger, dispatch, book
        self._graves, self._notebook, self._clock, self._settings = graves, notebook, clock, settings
        self._addresses = addresses

    async def who(self, customer: str) -> str:
        while (row := await self._row(customer)) is not None and row.linked_to:
            customer = row.linked_to
        return customer

    async def erase(self, customer: str, via: str, alone: bool = False) -> Farewell:
        now = self._clock.now()
        # Every name: a back-up may be of a time at which nobody knew yet that they are one.
        names = dict.fromkeys((customer, *await self._names(customer)))
        gone = [Erased(self._graves.of(name), now) for name in names]
        for erased in gone:
            self._notebook.note(erased)
        crashpoints.reach("erasure: noted")
        await self._tell(customer, EraseBody(now, via, down=alone))
        for erased in gone:
            await self._notebook.took(erased)
        return Farewell(now, now + milliseconds(self._settings().log.retention))

    async def erase_known(self, customer: str, via: str) -> Farewell:
        """As `erase`, for a name that somebody typed. Raises InvalidInput (`unknown_customer`) if it is nobody's."""
        if not await self._is_known(customer):
            find = "`tactful customer find` finds an id by an address. Nothing was erased"
            raise InvalidInput("unknown_customer", f"nobody is known as {customer}; {find}")
        return await self.erase(customer, via)

    async def gone_since(self, customer: str) -> int | None:
        """When they were erased (ms), if nothing of them has come back."""
        return None if await self._is_kept(customer) else await self._buried_at(customer)

    async def export(self, customer: str) -> bytes:
        names = await self._names(customer)
        name = names[0]
        await self._refuse_erased(name)
        row = await self._row(name)
        told = {each: await self._dispatched(each) for each in names}
        history = {each: await self._history(each) for each in names}
        if row is None and not any(history.values()) and not any(any(part.values()) for part in told.values()):
            raise InvalidInput("unknown_customer", f"nothing is known about {customer}")
        return _encode({"customer": name, "names": names, "known": _known(row), "history": history, "messages": told})

    async def erase_again(self) -> None:
        """Erase whoever was noted as erased and is in the database all the same, since it was restored from a back-up; but for those who
        have come back themselves."""
        missing = await self._missing()
        if not missing:
            return
        back = {grave: name async for name in self._everybody() if (grave := self._graves.of(name)) in missing}
        for grave, at in sorted(missing.items()):
            if grave not in back:
                await self._tell_all(Erased(grave, at))
            elif not await self._began_after(back[grave], at):
                await self._tell(back[grave], EraseBody(at, "restored"))
            await self._notebook.took(Erased(grave, at))

    async def _everybody(self) -> AsyncIterator[str]:
        """Whoever either service knows; most are known to both."""
        for partition in range(self._log.partitions):
            for store in (self._trigger, self._dispatch):
                after = ""
                while names := await store.everybody(partition, after, LOT):
                    for name in names:
                        yield name
                    after = names[-1]

    async def _missing(self) -> dict[str, int]:
        """Erasures that are noted and not in this database, by grave. Earlier versions did not write down in the database which it has;
        there its graves tell."""
        missing = await self._notebook.outstanding()
        for partition in range(self._log.partitions) if missing else ():
            for known in (await self._trigger.graves(partition), await self._dispatch.graves(partition)):
                for grave in [grave for grave, at in known.items() if missing.get(grave, at + 1) <= at]:
                    await self._notebook.took(Erased(grave, missing.pop(grave)))
        return missing

    async def _began_after(self, customer: str, erased_at: int) -> bool:
        """Whether they came back themselves: what a back-up brings back is older than the erasure."""
        lines = await self._trigger.history(customer, ALL)
        instants = [*(line.at for line in lines), *(entry.committed_at for entry in await self._consents(customer))]
        return bool(instants) and min(instants) > erased_at

    async def _tell(self, customer: str, body: EraseBody) -> None:
        name = digest("erase", customer, str(body.at))
        record = EraseRecord(id=name, key=customer, at=self._clock.now(), body=body)
        await self._log.append(EVENTS, [(partition_of(customer, self._log.partitions), encode(record))])

    async def _tell_all(self, erased: Erased) -> None:
        id, data = digest("erased", erased.grave), _encode({"grave": erased.grave, "at": erased.at})
        await broadcast(self._log, (EVENTS, DISPATCH), id, ERASED, data, self._clock.now())

    async def _names(self, customer: str) -> list[str]:
        """The one that lives on, and the others."""
        name = await self.who(customer)
        row = await self._row(name)
        return [name, *(row.absorbed if row else ())]

    async def _row(self, customer: str) -> Row | None:
        stored = await self._trigger.load(partition_of(customer, self._log.partitions), [customer])
        return decode(customer, stored[customer], self._book.projections) if customer in stored else None

    async def _is_known(self, customer: str) -> bool:
        """Whether anything is known under this name, or was before it was erased."""
        return await self._buried_at(customer) is not None or await self._is_kept(customer)

    async def _is_kept(self, customer: str) -> bool:
        if await self._row(customer) is not None or await self._trigger.history(customer, 1):
            return True
        return any((await self._dispatched(customer)).values())

    async def _buried_at(self, customer: str) -> int | None:
        graves = await self._trigger.graves(partition_of(customer, self._log.partitions))
        return graves.get(self._graves.of(customer))

    async def _refuse_erased(self, customer: str) -> None:
        if await self._buried_at(customer) is not None:
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
        return {
            "recipient": row.recipient,
            "consent": await self._consents(customer),
            "waiting": list(row.deliveries.values()),
            "sent": await self._dispatch.sent(customer, ALL),
            "wishes": wishes_of(row),
            "addresses": await self._of_addresses(row.recipient),
        }

    async def _of_addresses(self, recipient: RecipientBody | None) -> dict[str, Any]:
        """What binds the customer's addresses, and on whose list they stand; nothing of others who use them."""
        found = {}
        for key in self._addresses.all_of(recipient):
            address = await self._dispatch.address(key)
            shut = "" if address.suppressed == FLAGGED else address.suppressed
            told = {"suppressed": shut, "withdrawn": address.withdrawn, "listed": address.listed}
            if any(told.values()):
                found[key.channel] = told
        return found

    async def _consents(self, customer: str) -> list[ConsentEntry]:
        links = await self._dispatch.ledger_of(partition_of(customer, self._log.partitions), customer)
        return [msgspec.json.decode(link.entry, type=ConsentEntry) for link in links if link.entry is not None]


def _known(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {"states": {name: state for name, (_, state) in row.states.items()}, "runs": row.runs}


def _is_of_the_staff(line: HistoryRow) -> bool:
    """Whether the line names somebody at the shop who has read the story; staff have a right to their names too (CJEU, C-579/21)."""
    return line.kind == "event" and _decode_event(line.data).body.name == READ
