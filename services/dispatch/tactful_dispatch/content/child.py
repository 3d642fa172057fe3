"""The process in which messages are rendered: a line of JSON in, a line of JSON out, within limits."""

from __future__ import annotations

import resource
import sys
from typing import Final

import msgspec

from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.renderer import Renderer

MEMORY: Final = 512 * 1024 * 1024  # bytes of address space
CPU: Final = 2  # seconds for one message: ends a process whose parent is gone and cannot end it


class Answer(msgspec.Struct, frozen=True):
    """The message, or what is wrong with it."""

    rendered: Rendered | None = None
    error: str = ""


def main() -> None:
    """The first line is the content set's files by name, every other one a rendering. Ends with its input."""
    lines = sys.stdin.buffer
    renderer = Renderer(ContentSet.of(msgspec.json.decode(lines.readline(), type=dict[str, str])))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _say(Answer())
    for line in lines:
        _grant_cpu()
        _say(_answer(renderer, msgspec.json.decode(line, type=Rendering)))


def _answer(renderer: Renderer, rendering: Rendering) -> Answer:
    try:
        return Answer(rendered=renderer.render(rendering))
    except TemplateError as error:
        return Answer(error=str(error))


def _grant_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + CPU
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _say(answer: Answer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
