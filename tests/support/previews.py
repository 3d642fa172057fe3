"""Messages as nobody will get them."""

from __future__ import annotations

from typing import Any

from tactful_dispatch.content import Rendered
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.preview import sample
from tactful_dispatch.content.renderer import Renderer


def preview(
    content: ContentSet,
    template: str,
    channel: str,
    locales: tuple[str, ...] = ("en",),
    data: dict[str, Any] | None = None,
) -> Rendered:
    return Renderer(content).render(sample(content, template, channel, locales, data=data))
