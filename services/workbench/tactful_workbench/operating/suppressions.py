"""Lists of addresses that another sender has it must not be written to: each address becomes a record in the log, without the
address."""

from __future__ import annotations

from collections.abc import Sequence

from tactful.clock import Clock
from tactful.identity import digest
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.records import DISPATCH, SuppressBody, SuppressRecord, encode
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import AddressKey
from tactful_dispatch.store import DispatchStore
from tactful_workbench.operating.wishes import ListedAddress


class Suppressions:
    """Tells dispatch of them."""

    def __init__(self, log: Log, store: DispatchStore, book: AddressBook, clock: Clock) -> None:
        self._log, self._store, self._book, self._clock = log, store, book, clock

    async def take(self, source: str, listed: Sequence[ListedAddress], dry_run: bool) -> int:
        """Of how many the list of `source` says something new, as far as dispatch has read; with `dry_run` it is told nothing."""
        now, records = self._clock.now(), []
        for each in listed:
            key = self._book.key(each.channel, each.address)
            # A day that is to come is none, and not another one each time.
            said_at = each.said_at if each.said_at <= now else 0
            if (await self._store.address(key)).is_listed(each.reason, source, said_at):
                continue
            records.append(_record(key, each.reason, source, said_at, now))
        return await self._tell(records, dry_run)

    async def take_back(self, source: str, listed: Sequence[ListedAddress], dry_run: bool) -> int:
        """Of how many the list of `source` had said so, as far as dispatch has read: it says so no more."""
        now, records = self._clock.now(), []
        for each in listed:
            key = self._book.key(each.channel, each.address)
            if (await self._store.address(key)).is_listed(each.reason, source):
                records.append(_taken_back(key, each.reason, source, now))
        return await self._tell(records, dry_run)

    async def _tell(self, records: Sequence[SuppressRecord], dry_run: bool) -> int:
        if records and not dry_run:
            entries = [(partition_of(record.key, self._log.partitions), encode(record)) for record in records]
            await self._log.append(DISPATCH, entries)
        return len(records)


def _record(key: AddressKey, reason: str, source: str, said_at: int, now: int) -> SuppressRecord:
    body = SuppressBody(channel=key.channel, reason=reason, source=source, said_at=said_at)
    id = digest("suppress", key.channel, key.hash, reason, source, str(said_at))
    return SuppressRecord(id=id, key=key.hash, at=now, body=body)


def _taken_back(key: AddressKey, reason: str, source: str, now: int) -> SuppressRecord:
    body = SuppressBody(channel=key.channel, reason=reason, source=source, taken_back=True)
    id = digest("taken back", key.channel, key.hash, reason, source, str(now))
    return SuppressRecord(id=id, v=3, key=key.hash, at=now, body=body)
