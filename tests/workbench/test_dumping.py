"""Stored records as lines, whatever stands in them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tactful.clock import ManualClock
from tactful.log.memory import MemoryLog
from tactful.records import EVENTS, EventBody, EventRecord, encode
from tactful_workbench.commands.events import in_words, stored_lines
from tactful_workbench.operating.dumping import lines
from tactful_workbench.operating.tracing import trace


def event(id: str, name: str) -> bytes:
    return encode(EventRecord(id=id, key="u1", at=1, body=EventBody(name=name, source="shop", occurred_at=1)))


async def log_of(*values: bytes) -> MemoryLog:
    log = MemoryLog(1, ManualClock(1))
    await log.append(EVENTS, [(0, value) for value in values])
    return log


async def dumped(*values: bytes) -> list[dict[str, Any]]:
    """As a command reads what the server tells."""
    told = b"".join([line async for line in lines(await log_of(*values), [EVENTS], 0, {})])
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=told))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [json.loads(line) async for line in stored_lines(client, {})]


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
async def test_a_record_is_one_line_whatever_people_paste(end: str) -> None:
    first, second = await dumped(event("e1", f"Blue{end}kettle"), event("e2", "Cup"))
    assert (first["record"]["body"]["name"], second["offset"]) == (f"Blue{end}kettle", 1)


@pytest.mark.parametrize(
    ("value", "record"),
    [
        (b"not json", "not json"),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'),
        (b'{\n  "a": 1\n}', {"a": 1}),
        (b'{"kind":"event","key":"u1","body":7}', {"kind": "event", "key": "u1", "body": 7}),
        (b"[]", []),
    ],
)
async def test_what_somebody_else_has_put_into_the_log_is_told_as_it_is(value: bytes, record: object) -> None:
    strange, ours = await dumped(value, event("e2", "Cup"))
    assert strange["record"] == record
    assert in_words(strange).startswith("events/0@0  no record of ours  ")
    assert in_words(ours).startswith("events/0@1  u1  Cup")


async def test_beside_it_an_event_is_found() -> None:
    assert (await trace(await log_of(b"not json", event("e2", "Cup")), "u1", "e2")).accepted_at == 1
