"""Lint and preview as people and servers ask for them: what a template that goes on for ever stops is a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tactful.settings import Shop
from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.lint import Finding, Said, lint, samples
from tactful_dispatch.content.preview import SAMPLE
from tactful_dispatch.content.process import ProcessContent

_known: Final[dict[tuple[str, str, Shop], list[Finding]]] = {}


async def lint_within_limits(content: ContentSet, locale: str = "en", shop: Shop = SAMPLE) -> list[Finding]:
    """As `lint`. A server that `doctor` asks again and again renders one version once, unless something of it is not written: that
    may have been the machine's fault."""
    if (asked := (content.version, locale, shop)) in _known:
        return _known[asked]
    wanted = dict(samples(content, shop))
    told = await render_within_limits(content, wanted.values())
    found = lint(content, locale, dict(zip(wanted, told, strict=True)), shop)
    if not any(isinstance(said, TemplateError) for said in told):
        _known.clear()
        _known[asked] = found
    return found


async def render_within_limits(content: ContentSet, wanted: Iterable[Rendering]) -> list[Said]:
    """Each of them, or what keeps it from being written."""
    process = ProcessContent(content)
    try:
        return [await _said(process, rendering) for rendering in wanted]
    finally:
        await process.close()


async def _said(process: ProcessContent, rendering: Rendering) -> Rendered | TemplateError:
    try:
        return await process.render(rendering)
    except TemplateError as error:
        return error
