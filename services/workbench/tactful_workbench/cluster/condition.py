"""On what many machines stand: PostgreSQL, Kafka, clocks, and whether every partition has an owner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from tactful.clock import DAY
from tactful.log.kafka import Broker, Shape, TopicState, topic_states
from tactful.postgres import REVISION, Postgres
from tactful.postgres.leasing import database_now
from tactful_workbench.doctor.findings import Finding

APART: Final = 1000  # ms between our clock and the database's, beyond which leases suffer
_VERSION: Final = text(
    "SELECT current_setting('server_version'), now(), current_setting('synchronous_commit'), current_setting('fsync')"
)
# Such a transaction keeps vacuum from taking away what slices have deleted and replaced since it began.
_LASTING: Final = text(
    """SELECT pid, coalesce(nullif(application_name, ''), usename), extract(epoch FROM now() - xact_start)
       FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start < now() - CAST(:long AS interval)
           AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
       ORDER BY xact_start LIMIT 1"""
)
LONG: Final = timedelta(minutes=10)
KEPT: Final = 7 * DAY  # an outage that takes longer than what topics keep loses events


async def server_findings(
    broker: Broker, databases: Sequence[Postgres], partitions: int, promised: int
) -> list[Finding]:
    """What there is to say of PostgreSQL, of Kafka, and of who owns which partition. The first database holds everything, the others
    a part of trigger's store. `promised`: after how long (ms) whoever was erased is to be gone from the log."""
    return [
        *[finding for database in databases for finding in await database_findings(database)],
        *topic_findings(*await topic_states(broker), promised),
        await _owners(databases, "trigger", partitions),
        await _owners(databases[:1], "dispatch", partitions),
    ]


async def database_findings(database: Postgres, long: timedelta = LONG) -> list[Finding]:
    """Of one PostgreSQL server: its clock, whether what it has committed outlives a crash, and whether it is kept from tidying up."""
    await database.ask(_VERSION)  # the connection is there
    began = time.time()
    [(version, now, *kept)] = await database.ask(_VERSION)
    apart = round(1000 * abs(now.timestamp() - (began + time.time()) / 2))
    return [
        Finding("ok", f"PostgreSQL {version}, revision {REVISION} (current)"),
        Finding("ok" if apart <= APART else "fail", f"clocks within {apart} ms of the database"),
        *[
            Finding("fail", f"PostgreSQL has {name} off: a crash takes back opt-outs and what was sent. Set it on")
            for name, value in zip(("synchronous_commit", "fsync"), kept, strict=True)
            if value == "off"
        ],
        *[_lasting(*found) for found in await database.ask(_LASTING, long=long)],
    ]


def _lasting(pid: int, name: str, seconds: Decimal) -> Finding:
    slow = "meanwhile PostgreSQL cannot tidy up, and every slice is slower than the one before"
    mend = f"End it (SELECT pg_terminate_backend({pid})), and back up by pg_basebackup, which keeps nobody waiting"
    return Finding(
        "warn", f"{name} (process {pid}) has been in one transaction for {seconds / 60:.0f} min: {slow}. {mend}"
    )


def topic_findings(brokers: int, states: Sequence[TopicState], promised: int) -> list[Finding]:
    """What so many brokers keep of these topics, and for how long."""
    names = ", ".join(state.name for state in states)
    first = states[0]
    told = f"{first.partitions} partitions each, RF {first.replication}, min.insync {first.in_sync}, LogAppendTime"
    found = [Finding("ok", f"Kafka {brokers} broker{'s' * (brokers != 1)}; {names}: {told}")]
    if brokers == 1:
        found.append(
            Finding("warn", "one broker: what it has acknowledged is lost with its disk. Three and RF 3 keep it")
        )
    found += [_copies(state) for state in states if brokers > 1 and min(state.replication, state.in_sync) == 1]
    found += [finding for state in states for finding in _standing(state)]
    return found + [finding for state in states for finding in _retention(state, promised)]


def _standing(state: TopicState) -> list[Finding]:
    """Partitions where nothing can be appended now, and a topic that may lose what it has acknowledged."""
    found = []
    if state.headless:
        which = ", ".join(map(str, state.headless))
        text = f"topic {state.name}: no broker leads partition {which}: nothing is taken or read there. Bring up the brokers that have it"
        found.append(Finding("fail", text))
    if state.refusing:
        which, least = ", ".join(map(str, state.refusing)), f"min.insync.replicas={state.in_sync}"
        text = f"topic {state.name}: fewer brokers than {least} have all of partition {which}: nothing is taken there. Bring them up"
        found.append(Finding("fail", text))
    if state.unclean:
        text = f"topic {state.name}: a broker may lead that lacks what was acknowledged. Set unclean.leader.election.enable=false"
        found.append(Finding("warn", text))
    return found


def _copies(state: TopicState) -> Finding:
    if state.replication == 1:
        return Finding(
            "warn",
            f"topic {state.name} is on one broker: what that has acknowledged is lost with its disk. RF 3 keeps it",
        )
    # Of two copies neither may be missing then: each restart of a broker would shut the door.
    mend = "Set min.insync.replicas=2" if state.replication > 2 else "RF 3 with min.insync.replicas=2 keeps it"
    text = f"topic {state.name}: one broker alone acknowledges, and what it has is lost with its disk. {mend}"
    return Finding("warn", text)


def _retention(state: TopicState, promised: int) -> list[Finding]:
    """A topic that keeps records for less than an outage may last, or for longer than those who are erased are told."""
    found, ever, longest = [], state.retention < 0, state.retention + state.segment
    if not ever and state.retention < KEPT:
        wanted = f"retention.ms={Shape().configuration['retention.ms']}"
        kept = f"keeps {state.retention / DAY:.1f} d; an outage longer than that loses events. Set {wanted}"
        found.append(Finding("warn", f"topic {state.name} {kept}"))
    if state.room >= 0:
        kept = f"keeps at most {state.room:,} bytes of a partition; an outage in which more comes loses events"
        found.append(Finding("warn", f"topic {state.name} {kept}. Set retention.bytes=-1"))
    if ever or longest > promised:
        longer = f"may keep a record for {longest / DAY:.1f} d (retention.ms and segment.ms)"
        told = f"whoever is erased is told {promised / DAY:.1f} d: lower them, or raise [log] retention"
        found.append(Finding("warn", f"topic {state.name} {'keeps records for ever' if ever else longer}, and {told}"))
    return found


async def _owners(databases: Sequence[Postgres], service: str, partitions: int) -> Finding:
    """Leases are counted by the time of the first database. A partition that has moved left one without end where it was."""
    now = await database_now(databases[0])
    query = text(f"SELECT partition FROM {service}_cursor WHERE lease_until > :now")
    owned = {
        number
        for place, database in enumerate(databases)
        for (number,) in await database.ask(query, now=now)
        if number % len(databases) == place
    }
    missing = sorted(set(range(partitions)) - owned)
    if missing:
        listed = ", ".join(map(str, missing))
        return Finding(
            "fail", f"{service} owns no partition {listed}: nothing moves there. Start `tactful serve {service}`"
        )
    return Finding("ok", f"{service} owns all {partitions} partitions")
