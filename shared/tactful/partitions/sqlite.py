"""Partitions of a store in the one SQLite file: the tables `SERVICE_cursor`, `SERVICE_outbox` and `SERVICE_grave`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from tactful.partitions.outbox import Cause, OutboxRow
from tactful.sqlite import Database

T = TypeVar("T")


class SqlitePartitions:
    """This process is the only writer, so what was read of a partition holds until it is written again: an idle loop asks the file
    nothing."""

    def __init__(self, database: Database, service: str, topic: str) -> None:
        """`topic`: what the service reads, the origin of what it tells the log."""
        self._database, self._service, self._topic = database, service, topic
        self._answers: dict[int, dict[Hashable, Any]] = {}

    async def present(self, owner: str, now: int, until: int) -> int:
        return 1  # whoever has the file is alone

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        query = f"UPDATE {self._service}_cursor SET lease_until = ? WHERE partition = ? AND epoch = ?"
        return await self._database.write(
            lambda db: frozenset(p for p, epoch in epochs.items() if db.execute(query, (until, p, epoch)).rowcount)
        )

    async def release(self, partition: int, epoch: int) -> None:
        query = f"UPDATE {self._service}_cursor SET lease_until = 0 WHERE partition = ? AND epoch = ?"
        await self._database.write(lambda db: db.execute(query, (partition, epoch)))

    async def graves(self, partition: int) -> dict[str, int]:
        query = f"SELECT grave, erased_at FROM {self._service}_grave WHERE partition = ?"
        return await self._database.read(lambda db: dict(db.execute(query, (partition,)).fetchall()))

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        query = f"""SELECT seq, topic, target, value, cause FROM {self._service}_outbox
                    WHERE partition = ? ORDER BY id LIMIT ?"""
        rows: list[tuple[int, str, int, bytes, bytes]] = await self._ask(
            partition, ("unsent", limit), lambda db: db.execute(query, (partition, limit)).fetchall()
        )
        return [
            OutboxRow(self._topic, partition, seq, topic, target, value, msgspec.json.decode(cause, type=Cause))
            for seq, topic, target, value, cause in rows
        ]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        query = f"DELETE FROM {self._service}_outbox WHERE partition = ? AND topic = ? AND target = ? AND seq = ?"
        given = [(row.origin_partition, row.topic, row.partition, row.seq) for row in rows]
        await self._database.write(lambda db: db.executemany(query, given))
        for partition in {row.origin_partition for row in rows}:
            self._answers.pop(partition, None)

    async def _write(self, partition: int, job: Callable[[sqlite3.Connection], T]) -> T:
        self._answers.pop(partition, None)
        try:
            return await self._database.write(job)
        finally:
            self._answers.pop(partition, None)

    async def _ask(self, partition: int, question: Hashable, job: Callable[[sqlite3.Connection], T]) -> T:
        """The answer that still stands, or a new one."""
        answers = self._answers.setdefault(partition, {})
        if question not in answers:
            answers[question] = await self._database.read(job)
        answer: T = answers[question]
        return answer
