"""Trigger's store over another list of databases: copied while no trigger works on what moves, then used by everybody at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from tactful import crashpoints
from tactful.errors import SettingsError, Transient
from tactful.log.kafka import broker, check_topics
from tactful.postgres import Postgres, check_before_a_move, each, opened_for_a_move, take_places
from tactful.postgres.leasing import database_now
from tactful_trigger.store.moving import Copied, clear, close, copy, is_closed, stands
from tactful_trigger.store.postgres import PostgresTriggerStore

OWNER: Final = "tactful db move"  # whoever runs it again goes on with what was claimed before
LEASE: Final = 60_000
RENEWAL: Final = 15.0  # seconds


async def move(kafka: str, before: str, after: str, tell: Callable[[str], object]) -> dict[int, Copied]:
    """What was copied, by partition. Raises SettingsError, and StoreUnavailable: then it goes on when it is run again."""
    partitions = await check_topics(broker(kafka))
    old, new = each(before), each(after)
    moving = [number for number in range(partitions) if old[number % len(old)] != new[number % len(new)]]
    async with opened_for_a_move(before, after) as databases:
        source = {number: databases[old[number % len(old)]] for number in moving}
        target = {number: databases[new[number % len(new)]] for number in moving}
        copied: dict[int, Copied] = {}
        if not await _are_closed(source, target):
            await check_before_a_move(databases, before)
            copied = await _copy_all(source, target, tell)
        await take_places(databases, after)
        for number in moving:
            await clear(number, source[number])
        return copied


async def _are_closed(source: Mapping[int, Postgres], target: Mapping[int, Postgres]) -> bool:
    """Whether a move was interrupted after all had been copied. Raises SettingsError if it led elsewhere."""
    if not source or not all([await is_closed(number, database) for number, database in source.items()]):
        return False
    if not all([await stands(number, database) for number, database in target.items()]):
        raise SettingsError("what is to be moved was moved to another database already; give the lists of that move")
    return True


async def _copy_all(
    source: Mapping[int, Postgres], target: Mapping[int, Postgres], tell: Callable[[str], object]
) -> dict[int, Copied]:
    copied: dict[int, Copied] = {}
    async with _claimed(source) as epochs:
        async with _renewed(source, epochs):
            for number in source:
                copied[number] = await copy(number, source[number], target[number])
                crashpoints.reach("move: copied")
                tell(f"partition {number}: {copied[number].customers:,} customers, {copied[number].lines:,} lines")
        await _close(source, epochs)
    crashpoints.reach("move: closed")
    return copied


@asynccontextmanager
async def _claimed(source: Mapping[int, Postgres]) -> AsyncIterator[dict[int, int]]:
    """Epochs by partition. They stay ours if all goes well, and are anybody's if it does not."""
    epochs: dict[int, int] = {}
    try:
        for number, database in source.items():
            epochs[number] = await _claim(number, database)
        yield epochs
    except BaseException:
        for number, epoch in epochs.items():
            await PostgresTriggerStore(source[number]).release(number, epoch)
        raise


async def _claim(number: int, database: Postgres) -> int:
    now = await database_now(database)
    cursor = await PostgresTriggerStore(database).claim(number, OWNER, now, now + LEASE)
    if cursor is None:
        raise SettingsError(
            f"a trigger works on partition {number}; stop every trigger, wait ten seconds and move again"
        )
    return cursor.epoch


@asynccontextmanager
async def _renewed(source: Mapping[int, Postgres], epochs: Mapping[int, int]) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEWAL)
            for number, epoch in epochs.items():
                database = source[number]
                await PostgresTriggerStore(database).renew({number: epoch}, await database_now(database) + LEASE)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError, Transient):
            await renewing


async def _close(source: Mapping[int, Postgres], epochs: Mapping[int, int]) -> None:
    for number, epoch in epochs.items():
        if not await close(number, epoch, source[number]):
            raise SettingsError(f"a trigger came to partition {number} meanwhile; stop every trigger and move again")
