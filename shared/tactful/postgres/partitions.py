"""Partitions of a store in PostgreSQL: the tables `worker`, `SERVICE_cursor`, `SERVICE_outbox` and `SERVICE_grave`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.partitions.outbox import Cause, OutboxRow
from tactful.postgres.database import Postgres

_decode_cause: Final = msgspec.json.Decoder(Cause).decode
_HERE: Final = text(
    """INSERT INTO worker VALUES (:service, :owner, :until)
       ON CONFLICT (service, owner) DO UPDATE SET until = excluded.until"""
)
_GONE: Final = text("DELETE FROM worker WHERE service = :service AND until <= :now AND owner <> :owner")
_ALIVE: Final = text("SELECT count(*) FROM worker WHERE service = :service")
_RENEW: Final = """UPDATE {}_cursor SET lease_until = :until
    FROM unnest(CAST(:partitions AS integer[]), CAST(:epochs AS bigint[])) AS mine (number, own)
    WHERE partition = mine.number AND epoch = mine.own RETURNING partition"""
_RELEASE: Final = "UPDATE {}_cursor SET lease_until = 0 WHERE partition = :partition AND epoch = :epoch RETURNING epoch"
_GRAVES: Final = "SELECT grave, erased_at FROM {}_grave WHERE partition = :partition"
# Compared as pairs, so that the index of pairs alone will do: of a table that is mostly empty PostgreSQL prefers the one of ids,
# and reads past what others have deleted.
_UNSENT: Final = """SELECT seq, topic, target, value, cause FROM {}_outbox
    WHERE (partition, id) > (:partition, :behind) AND partition <= :partition ORDER BY partition, id LIMIT :limit"""
_FORGET: Final = """WITH sent AS (DELETE FROM {0}_outbox USING unnest(
            CAST(:partitions AS integer[]), CAST(:topics AS text[]), CAST(:targets AS integer[]), CAST(:seqs AS bigint[]))
            AS gone (partition, topic, target, seq)
        WHERE {0}_outbox.partition = gone.partition AND {0}_outbox.topic = gone.topic
            AND {0}_outbox.target = gone.target AND {0}_outbox.seq = gone.seq
        RETURNING {0}_outbox.partition, id)
    SELECT partition, max(id) FROM sent GROUP BY partition"""
ANEW: Final = 256  # one look at an outbox of so many begins at its first row


class PostgresPartitions:
    """What `tactful.partitions` says every store keeps.

    A partition's outbox is written one transaction after the other, so its ids rise, and it is forgotten from the first row on. A look
    begins behind the last row that was forgotten: while somebody reads for long, a back-up say, what was deleted stays in the way.
    """

    def __init__(self, database: Postgres, service: str, topic: str) -> None:
        """`topic`: what the service reads, the origin of what it tells the log."""
        self._database, self._service, self._topic = database, service, topic
        self._renew, self._release, self._graves, self._unsent, self._forget = (
            text(query.format(service)) for query in (_RENEW, _RELEASE, _GRAVES, _UNSENT, _FORGET)
        )
        self._behind, self._looks = dict[int, int](), Counter[int]()  # by partition

    async def present(self, owner: str, now: int, until: int) -> int:
        async def say(db: AsyncConnection) -> int:
            given = {"service": self._service, "owner": owner, "now": now, "until": until}
            await db.execute(_HERE, given)
            await db.execute(_GONE, given)
            return int((await db.execute(_ALIVE, given)).scalar_one())

        return await self._database.run(say)

    async def renew(self, epochs: Mapping[int, int], until: int) -> frozenset[int]:
        numbers = sorted(epochs)
        given = {"until": until, "partitions": numbers, "epochs": [epochs[number] for number in numbers]}
        return frozenset(partition for (partition,) in await self._database.ask(self._renew, **given))

    async def release(self, partition: int, epoch: int) -> None:
        await self._database.ask(self._release, partition=partition, epoch=epoch)

    async def graves(self, partition: int) -> dict[str, int]:
        return {grave: at for grave, at in await self._database.ask(self._graves, partition=partition)}

    def look_again(self, partition: int) -> None:
        """From the first row of the outbox on: a database that was set back, by a restore or a fail-over, has lower ids."""
        self._behind.pop(partition, None)

    async def unsent(self, partition: int, limit: int) -> list[OutboxRow]:
        self._looks[partition] += 1
        if self._looks[partition] % ANEW == 0:  # a fail-over may not have been noticed
            self.look_again(partition)
        behind = self._behind.get(partition, 0)
        rows = await self._database.ask(self._unsent, partition=partition, behind=behind, limit=limit)
        return [
            OutboxRow(self._topic, partition, seq, topic, target, bytes(value), _decode_cause(cause))
            for seq, topic, target, value, cause in rows
        ]

    async def forget(self, rows: Sequence[OutboxRow]) -> None:
        """Not durable, since readers skip what comes again."""
        given = {
            "partitions": [row.origin_partition for row in rows],
            "topics": [row.topic for row in rows],
            "targets": [row.partition for row in rows],
            "seqs": [row.seq for row in rows],
        }

        async def delete(db: AsyncConnection) -> Sequence[Any]:
            return (await db.execute(self._forget, given)).all()

        if rows:
            for partition, last in await self._database.run(delete, durable=False):
                self._behind[partition] = max(last, self._behind.get(partition, 0))
