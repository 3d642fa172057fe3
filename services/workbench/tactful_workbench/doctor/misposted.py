"""Events that were posted under a name that is almost one of ours: they are kept, and no rule of ours sees them."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

import msgspec

from tactful.log import Log, onward
from tactful.records import EVENTS, EventRecord, decode_any
from tactful_workbench.doctor.almost import near_event

LATEST: Final = 500  # records of each partition that are looked at


async def misposted(log: Log) -> list[str]:
    """Among the latest events, those that somebody may have meant as one of ours."""
    found = Counter[str]()
    for partition in range(log.partitions):
        end = await log.end(EVENTS, partition)
        async for stored in onward(log, EVENTS, partition, max(0, end - LATEST)):
            if stored.offset >= end:
                break
            try:
                record = decode_any(stored.value)
            except msgspec.MsgspecError:  # others may write to the log as well
                continue
            if isinstance(record, EventRecord):
                found[record.body.name] += 1
    return [
        f'{count:,} of the latest events are called "{name}", which is one of the shop\'s own; what rules wait for is "{near}"'
        for name, count in sorted(found.items())
        if (near := near_event(name))
    ]


def warn_of(name: str) -> None:
    """Whoever types an event that is almost one of ours; it may be meant."""
    if near := near_event(name):
        print(f'"{name}" is an event of your own; if you mean "{near}", correct it', file=sys.stderr)
