"""Outboxes in PostgreSQL: the same for every service's slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import text

from tactful.outbox import Cause, OutboxRow
from tactful.postgres.database import Postgres

_UNSENT: Final = """SELECT seq, topic, target, value, cause FROM {}_outbox
    WHERE partition = :partition ORDER BY id LIMIT :limit"""
_FORGET: Final = """DELETE FROM {0}_outbox USING unnest(
        CAST(:partitions AS integer[]), CAST(:topics AS text[]), CAST(:targets AS integer[]), CAST(:seqs AS bigint[]))
        AS gone (partition, topic, target, seq)
    WHERE {0}_outbox.partition = gone.partition AND {0}_outbox.topic = gone.topic
        AND {0}_outbox.target = gone.target AND {0}_outbox.seq = gone.seq"""


async def unsent(database: Postgres, service: str, origin: str, partition: int, limit: int) -> list[OutboxRow]:
    """As `OutboxStore.unsent`, of a service whose slices are cut from the topic `origin`."""
    rows = await database.ask(text(_UNSENT.format(service)), partition=partition, limit=limit)
    return [
        OutboxRow(origin, partition, seq, topic, target, bytes(value), msgspec.json.decode(cause, type=Cause))
        for seq, topic, target, value, cause in rows
    ]


async def forget(database: Postgres, service: str, rows: Sequence[OutboxRow]) -> None:
    """As `OutboxStore.forget`. Not durable, since readers skip what comes again."""
    given = {
        "partitions": [row.origin_partition for row in rows],
        "topics": [row.topic for row in rows],
        "targets": [row.partition for row in rows],
        "seqs": [row.seq for row in rows],
    }
    if rows:
        await database.run(lambda db: db.execute(text(_FORGET.format(service)), given), durable=False)
