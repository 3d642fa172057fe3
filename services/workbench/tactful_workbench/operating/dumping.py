"""Stored records as NDJSON, a line each: from the beginning, the latest ones, or what stands behind a place."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import msgspec

from tactful.errors import InvalidInput
from tactful.log import Log, Stored, onward

_PLACE: Final = re.compile(r"([a-z]{1,20}/\d{1,9})@(\d{1,18})", re.ASCII)


def places(written: Iterable[str]) -> dict[str, int]:
    """Offsets by topic and partition, of places like `events/3@41`. Raises InvalidInput."""
    read = [(text, _PLACE.fullmatch(text)) for text in written]
    for text, place in read:
        if place is None:
            raise InvalidInput("no_such_place", f'"{text}" is no place; write it like events/3@41')
    return {place[1]: int(place[2]) for _, place in read if place is not None}


async def lines(log: Log, topics: Sequence[str], latest: int, behind: dict[str, int]) -> AsyncIterator[bytes]:
    """`{"topic", "partition", "offset", "appended" (ms), "record"}` each. A partition begins behind its place in `behind` (as `places`
    gives it); without one it begins with its `latest` so many records, or, if that is 0, with the first."""
    for topic in topics:
        for partition in range(log.partitions):
            begin = await log.end(topic, partition) - latest if latest else 0
            begin = behind.get(f"{topic}/{partition}", begin - 1) + 1
            async for stored in onward(log, topic, partition, max(0, begin)):
                yield _line(stored)


def _line(stored: Stored) -> bytes:
    head = {"topic": stored.topic, "partition": stored.partition, "offset": stored.offset, "appended": stored.appended}
    return msgspec.json.encode({**head, "record": _record(stored.value)}) + b"\n"


def _record(value: bytes) -> msgspec.Raw | str:
    """The record without line feeds; as a string where it is no JSON, since others may write to the log as well."""
    try:
        value.decode()
        return msgspec.Raw(msgspec.json.format(value, indent=-1))
    except (UnicodeDecodeError, msgspec.DecodeError):
        return value.decode(errors="replace")
