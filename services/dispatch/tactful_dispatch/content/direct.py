"""Content rendered in this process: for virtual time, and wherever templates are trusted."""

from __future__ import annotations

from tactful_dispatch.content import Rendered, Rendering
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.renderer import Renderer


class DirectContent:
    """Implements `tactful_dispatch.content.Content`. Never suspends, and never stops a template that goes on for ever."""

    def __init__(self, content: ContentSet) -> None:
        self._renderer = Renderer(content)

    async def render(self, rendering: Rendering) -> Rendered:
        return self._renderer.render(rendering)

    @property
    def version(self) -> str:
        return self._renderer.content.version
