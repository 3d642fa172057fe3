"""Content rendered in a process of its own, with limits on time, memory and output.

The sandbox keeps a template from reaching anything; it does not keep it from eating the machine
(https://jinja.palletsprojects.com/en/stable/sandbox/#security-considerations).
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Final

import msgspec

from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.child import Answer
from tactful_dispatch.content.contentset import ContentSet

DEADLINE: Final = 2.0  # seconds for one message
START: Final = 10.0  # seconds for the process to say that it is ready
LINE: Final = 8 * 1024 * 1024  # bytes of one answer
_CHILD: Final = ("-m", "tactful_dispatch.content.child")


class ProcessContent:
    """Implements `tactful_dispatch.content.Content`. A process that dies or takes too long is replaced.

    The process starts with the first message and has the content set from here, not from the disk: both always speak of
    the same version.
    """

    def __init__(self, content: ContentSet, deadline: float = DEADLINE) -> None:
        self._content, self._deadline = content, deadline
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    @property
    def version(self) -> str:
        return self._content.version

    @property
    def templates(self) -> frozenset[str]:
        """Their names."""
        return frozenset(name for name, _, _, _ in self._content.templates)

    async def render(self, rendering: Rendering) -> Rendered:
        async with self._turn:
            return await self._render(rendering)

    async def close(self) -> None:
        """End the process. It starts again if another message is rendered."""
        async with self._turn:
            await self._end()

    async def _render(self, rendering: Rendering) -> Rendered:
        answered = False
        try:
            answer = msgspec.json.decode(await self._answer(msgspec.json.encode(rendering)), type=Answer)
            answered = True
        except TimeoutError:
            raise TemplateError(_too(rendering, f"takes longer than {self._deadline} s")) from None
        except (OSError, EOFError, ValueError):
            raise TemplateError(_too(rendering, "needs more time, memory or room than one message may have")) from None
        finally:
            # Also when this task is cancelled: the answer that nobody waits for must not be read by the next message.
            if not answered:
                await self._end()
        if answer.rendered is None:
            raise TemplateError(answer.error)
        return answer.rendered

    async def _answer(self, question: bytes) -> bytes:
        """A process from before that dies may have been killed whatever it was asked: a new one shows whose fault it was."""
        known = self._process is not None
        try:
            return await self._asked(question)
        except (ConnectionError, EOFError):
            if not known:
                raise
        await self._end()
        return await self._asked(question)

    async def _asked(self, question: bytes) -> bytes:
        process = await self._running()
        async with asyncio.timeout(self._deadline):
            return await _ask(process, question)

    async def _running(self) -> Process:
        if self._process is None:
            # No environment: what a template might get hold of holds no secrets. A session of its own: Ctrl-C is not for it.
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, *_CHILD, stdin=PIPE, stdout=PIPE, limit=LINE, env={}, start_new_session=True
                )
            except OSError as error:  # the machine has no room for it, whatever it was to render
                raise TemplateError(f"the process that renders does not start ({error.strerror})") from None
            await self._begin(self._process)
        return self._process

    async def _begin(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START):
                await _ask(process, msgspec.json.encode(self._content.files))
        except (TimeoutError, OSError, EOFError):
            command = " ".join((sys.executable, *_CHILD))
            raise TemplateError(f"the process that renders does not start; see why with: {command}") from None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()  # reaps it, and closes the pipes


async def _ask(process: Process, question: bytes) -> bytes:
    """Questions and answers are lines of JSON. Raises EOFError if the process died."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(question + b"\n")
        await process.stdin.drain()
    except RuntimeError as error:  # what uvloop says of a closed pipe
        raise EOFError from error
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _too(rendering: Rendering, what: str) -> str:
    return f"{rendering.template}/{rendering.channel}: rendering {what}; make the template simpler"
