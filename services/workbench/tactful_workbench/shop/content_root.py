"""Which content a process uses: the shipped templates under the shop's own, rendered in a process with limits."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.process import ProcessContent


async def open_content(folder: Path | None, stack: AsyncExitStack) -> ProcessContent:
    """Raises TemplateError if a template cannot be read."""
    content = ProcessContent(ContentSet.load(*([folder] if folder is not None else [])))
    stack.push_async_callback(content.close)
    return content
