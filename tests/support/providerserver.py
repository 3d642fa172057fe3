"""An HTTP provider on the loopback that does as it is told: answers, hangs, resets, redirects, floods."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

HANG: Final = "hang"  # take the request and say nothing
RESET: Final = "reset"  # take the request and cut the connection
CUT: Final = "cut"  # half an answer, and then the connection breaks
STUCK: Final = "stuck"  # half an answer, and then nothing
FLOOD: Final = "flood"  # an answer without an end


@dataclass(frozen=True)
class Asked:
    """One request. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Provider:
    """`answers` are taken from the front; then the last one again and again."""

    answers: list[tuple[int, dict[str, str], bytes] | str] = field(default_factory=lambda: [(200, {}, b"{}")])
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def next(self) -> tuple[int, dict[str, str], bytes] | str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def provider_server(
    tls: ssl.SSLContext | None = None, *, on: Callable[[Asked], None] = lambda asked: None
) -> AsyncIterator[Provider]:
    """Listens on a free port of 127.0.0.1; `on` hears of a request before it is answered."""
    provider, tasks = Provider(), set[asyncio.Task[None]]()
    provider.may_answer.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            asked = await _request(reader)
            provider.asked.append(asked)
            on(asked)
            await provider.may_answer.wait()
            await _answer(writer, provider.next())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        provider.port = server.sockets[0].getsockname()[1]
        yield provider
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split(" ")[1], headers, body)


async def _answer(writer: asyncio.StreamWriter, answer: tuple[int, dict[str, str], bytes] | str) -> None:
    if answer == HANG:
        await asyncio.Event().wait()
    if answer == RESET:
        writer.transport.abort()
        return
    if answer in (CUT, STUCK):
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n{")
        await writer.drain()
        if answer == STUCK:
            await asyncio.Event().wait()
        writer.transport.abort()
        return
    if answer == FLOOD:
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
    assert not isinstance(answer, str)
    status, headers, body = answer
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
