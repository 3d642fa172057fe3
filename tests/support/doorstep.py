"""A door in one process: memory log, standing clock, two keys, and a client that speaks ASGI to it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import httpx
import msgspec

from tactful.clock import ManualClock, WallClock
from tactful.errors import LogUnavailable
from tactful.keys import FixedKeys, Key
from tactful.log import Position, Stored
from tactful.log.memory import MemoryLog
from tactful.records import DISPATCH, EVENTS, QUARANTINE, ConsentRecord, EventRecord, LinkRecord, QuarantineRecord
from tactful.records import decode_any as decode
from tactful_ingest.app import create_app
from tactful_ingest.door import Door

DOOR = "http://door.example"
MONDAY = 1_795_442_400_000  # Mon 23 Nov 2026 14:00 UTC
SERVER, BROWSER = "tk_live_server", "tk_live_browser"
KEYS = FixedKeys([(SERVER, Key("shop", "server")), (BROWSER, Key("web", "browser"))])


class Diary:
    """A log that also notes in which order it was asked to append."""

    def __init__(self, log: MemoryLog) -> None:
        self._log, self.appends = log, list[tuple[str, tuple[bytes, ...]]]()

    @property
    def partitions(self) -> int:
        return self._log.partitions

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        self.appends.append((topic, tuple(value for _, value in entries)))
        return await self._log.append(topic, entries)

    async def beginning(self, topic: str, partition: int) -> int:
        return await self._log.beginning(topic, partition)

    async def end(self, topic: str, partition: int) -> int:
        return await self._log.end(topic, partition)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        return await self._log.read(topic, partition, offset, limit)

    async def wait(self, topic: str, positions: Mapping[int, int], seconds: float) -> None:
        await self._log.wait(topic, positions, seconds)


class Fragile(Diary):
    """A diary that fails once, after so many appends, and then works again."""

    def __init__(self, log: MemoryLog, after: int = 0) -> None:
        super().__init__(log)
        self._after, self._has_failed = after, False

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        if len(self.appends) >= self._after and not self._has_failed:
            self._has_failed = True
            raise LogUnavailable("the log is away")
        return await super().append(topic, entries)


class Doorstep:
    """Posts, and looks at what came to lie in the log."""

    def __init__(self, diary: Callable[[MemoryLog], Diary] = Diary, **door: Any) -> None:
        self.clock = ManualClock(MONDAY)
        self.diary = diary(MemoryLog(4, self.clock))
        ports: dict[str, Any] = {"keys": KEYS, "currency": lambda: "EUR", "jitter": lambda: 0.5} | door
        self.door = Door(log=self.diary, clock=self.clock, **ports)
        self.app = create_app(self.door)
        self._transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=self._transport, base_url=DOOR)

    async def post(self, path: str, body: Any, key: str | None = SERVER, **headers: str) -> httpx.Response:
        """`body` is bytes as they are, or any JSON value; the key goes as the Basic user name."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named["authorization"] = basic(key)
        return await self.send(path, content, [(name.encode(), value.encode()) for name, value in named.items()])

    async def send(self, path: str, content: bytes, headers: Sequence[tuple[bytes, bytes]]) -> httpx.Response:
        """As `client.post`, for tests of many calls: cookies and redirections take more time than the door."""
        request = httpx.Request("POST", _url(path), headers=headers, content=content)
        answer = await self._transport.handle_async_request(request)
        await answer.aread()
        return answer

    async def track(self, event: str | None = "Product Viewed", key: str = SERVER, **fields: Any) -> dict[str, Any]:
        """A single call that must be answered 200."""
        answer = await self.post("/v1/track", {"userId": "u1", "event": event} | fields, key)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def come_to_the_present(self) -> int:
        """For clients that know no other time: set the clock to the machine's, and tell it."""
        self.clock.forward_to(WallClock().now())
        return self.clock.now()

    @property
    def events(self) -> list[EventRecord]:
        """Events in the order in which they were appended."""
        return [record for record in self._records(EVENTS) if isinstance(record, EventRecord)]

    @property
    def links(self) -> list[LinkRecord]:
        """Links in the order in which they were appended."""
        return [record for record in self._records(EVENTS) if isinstance(record, LinkRecord)]

    @property
    def consents(self) -> list[ConsentRecord]:
        """What was put on `dispatch`."""
        return [record for record in self._records(DISPATCH) if isinstance(record, ConsentRecord)]

    @property
    def quarantined(self) -> list[QuarantineRecord]:
        """What was refused."""
        return [record for record in self._records(QUARANTINE) if isinstance(record, QuarantineRecord)]

    @property
    def event(self) -> EventRecord:
        """The one event there is."""
        [only] = self.events
        return only

    @property
    def refusal(self) -> tuple[str, str | None]:
        """Reason and field of the one refused event."""
        [only] = self.quarantined
        return only.body.reason, only.body.field

    def _records(self, topic: str) -> list[Any]:
        return [decode(value) for name, values in self.diary.appends if name == topic for value in values]


@cache
def _url(path: str) -> httpx.URL:
    return httpx.URL(DOOR + path)


def basic(user: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def properties(record: EventRecord) -> dict[str, Any]:
    """The canonical properties."""
    value: dict[str, Any] = msgspec.json.decode(record.body.properties)
    return value


def context(record: EventRecord) -> dict[str, Any]:
    """The context."""
    value: dict[str, Any] = msgspec.json.decode(record.body.context)
    return value
