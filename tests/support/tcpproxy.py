"""A network that misbehaves: a TCP proxy on the loopback that delays, swallows one direction, and resets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

CHUNK: Final = 65_536

Direction = Literal["requests", "replies"]


class Proxy:
    """Between whoever connects to `port` and the server on `target`. Faults count from now on, for old connections too."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self.latency = 0.0  # seconds, each way
        self.swallows: Direction | None = None  # bytes of that direction vanish
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()

    def heal(self) -> None:
        """What has lost bytes cannot go on: such connections are reset."""
        if self.swallows:
            self.reset()
        self.latency, self.swallows = 0.0, None

    def reset(self) -> None:
        """Cut every connection, as a firewall does."""
        for pair in tuple(self._pairs):
            for writer in pair:
                writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, back)
        self._pairs.add(pair)
        try:
            with suppress(asyncio.CancelledError):  # at the end of everything; asyncio would print a traceback
                await asyncio.gather(self._carry(reader, back, "requests"), self._carry(there, writer, "replies"))
        finally:
            self._pairs.discard(pair)
            for each in pair:
                each.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Direction) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self.swallows != way:
                    sink.write(data)
                    await sink.drain()
        with suppress(OSError):
            sink.close()


@asynccontextmanager
async def proxy(target: int, port: int = 0) -> AsyncIterator[Proxy]:
    """Listens on `port` of 127.0.0.1, or on a free one."""
    made = Proxy(target)
    async with await asyncio.start_server(made.serve, "127.0.0.1", port) as server:
        made.port = server.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            made.reset()
