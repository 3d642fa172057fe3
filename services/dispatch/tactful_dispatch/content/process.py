"""Content rendered in a process of its own, with limits on time, memory and output.

The sandbox keeps a template from reaching anything; it does not keep it from eating the machine
(https://jinja.palletsprojects.com/en/stable/sandbox/#security-considerations). Requests and answers are lines of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec

from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.renderer import Renderer

DEADLINE: Final = 2.0  # seconds for one message
MEMORY: Final = 512 * 1024 * 1024
LINE: Final = 8 * 1024 * 1024
START: Final = 10.0  # seconds for the process to say that it is ready


class ProcessContent:
    """Implements `tactful_dispatch.content.Content`. A process that dies or takes too long is replaced."""

    def __init__(self, folders: Sequence[Path], deadline: float = DEADLINE) -> None:
        self._folders, self._deadline = folders, deadline
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._content = ContentSet.load(*folders)

    @property
    def version(self) -> str:
        return self._content.version

    async def render(self, rendering: Rendering) -> Rendered:
        async with self._turn:
            process = await self._running()
            try:
                async with asyncio.timeout(self._deadline):
                    answer = await _ask(process, asdict(rendering))
            except (TimeoutError, OSError, EOFError, ValueError) as error:
                await self._end()
                name = f"{rendering.template}/{rendering.channel}"
                why = (
                    f"took longer than {self._deadline} s"
                    if isinstance(error, TimeoutError)
                    else "used too much memory or time"
                )
                raise TemplateError(f"{name}: rendering {why}; make the template simpler") from None
        if "error" in answer:
            raise TemplateError(answer["error"])
        return Rendered(**{**answer, "links": tuple(answer["links"])})

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tactful_dispatch.content.process",
                *map(str, self._folders),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE,
            )
            assert self._process.stdout is not None
            async with asyncio.timeout(START):
                await self._process.stdout.readline()
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _ask(process: asyncio.subprocess.Process, question: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(base64.b64encode(msgspec.json.encode(question)) + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise EOFError
    answer: dict[str, Any] = msgspec.json.decode(line)
    return answer


def _main(folders: Sequence[str]) -> None:
    """The process: a line in, a line out."""
    renderer = Renderer(ContentSet.load(*map(Path, folders)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        try:
            rendering = msgspec.convert(msgspec.json.decode(base64.b64decode(line)), Rendering)
            answer: dict[str, Any] = asdict(renderer.render(rendering))
        except TemplateError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "rendering used too much memory; make the template simpler"}
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(sys.argv[1:])
