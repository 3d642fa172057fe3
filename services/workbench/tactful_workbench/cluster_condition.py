"""On what many machines stand: PostgreSQL, Kafka, clocks, and whether every partition has an owner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.clock import DAY
from tactful.log.kafka import Broker, TopicState, topic_states
from tactful.postgres import REVISION, Postgres
from tactful_workbench.doctor import Finding

APART: Final = 1000  # ms between our clock and the database's, beyond which leases suffer
KEPT: Final = 7 * DAY  # an outage that takes longer than what topics keep loses events


async def server_findings(broker: Broker, database: Postgres, partitions: int) -> list[Finding]:
    """Of the servers, and of who works for whom."""
    return [
        *await database.run(_database),
        *await _kafka(broker),
        *[await _owners(database, service, partitions) for service in ("trigger", "dispatch")],
    ]


async def _database(db: AsyncConnection) -> list[Finding]:
    began = time.time()
    version, now = (await db.execute(text("SELECT current_setting('server_version'), now()"))).one()
    apart = round(1000 * abs(now.timestamp() - (began + time.time()) / 2))
    return [
        Finding("ok", f"PostgreSQL {version}, revision {REVISION} (current)"),
        Finding("ok" if apart <= APART else "fail", f"clocks within {apart} ms of the database"),
    ]


async def _kafka(broker: Broker) -> list[Finding]:
    brokers, states = await topic_states(broker)
    names = ", ".join(state.name for state in states)
    first = states[0]
    told = f"{first.partitions} partitions each, RF {first.replication}, min.insync {first.in_sync}, LogAppendTime"
    found = [Finding("ok", f"Kafka {brokers} broker{'s' * (brokers != 1)}; {names}: {told}")]
    if brokers == 1:
        found.append(
            Finding("warn", "one broker: what it has acknowledged is lost with its disk. Three and RF 3 keep it")
        )
    return found + [_retention(state) for state in states if 0 <= state.retention < KEPT]


def _retention(state: TopicState) -> Finding:
    kept = f"{state.retention / DAY:.1f} d"
    wanted = f"retention.ms={30 * DAY}"
    return Finding("warn", f"topic {state.name} keeps {kept}; an outage longer than that loses events. Set {wanted}")


async def _owners(database: Postgres, service: str, partitions: int) -> Finding:
    """Leases are counted by the clock of whoever takes them."""
    now = round(time.time() * 1000)
    query = text(f"SELECT partition FROM {service}_cursor WHERE lease_until > :now")
    owned = await database.run(lambda db: _numbers(db, query, now))
    missing = sorted(set(range(partitions)) - set(owned))
    if missing:
        listed = ", ".join(map(str, missing))
        return Finding(
            "fail", f"{service} owns no partition {listed}: nothing moves there. Start `tactful serve {service}`"
        )
    return Finding("ok", f"{service} owns all {partitions} partitions")


async def _numbers(db: AsyncConnection, query: TextClause, now: int) -> Sequence[int]:
    return (await db.execute(query, {"now": now})).scalars().all()
