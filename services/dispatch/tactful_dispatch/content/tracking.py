"""Putting tracked links into a rendered message. A template's marked links are rendered as numbered placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Final

from tactful_dispatch.content import Rendered

GIST: Final = 80  # characters
PLACEHOLDER: Final = "https://click.invalid/"  # a host that can never exist (RFC 6761 §6.4)
_MARK: Final = re.compile(re.escape(PLACEHOLDER) + r"(\d{1,6})")


def track(rendered: Rendered, url_for: Callable[[int], str], pixel: str | None) -> Rendered:
    """The message with `url_for(n)` in place of the n-th marked link, and an open pixel at the end of its HTML."""

    def url(mark: re.Match[str]) -> str:
        # What only looks like a placeholder came from the data, and stays the dead address that it is.
        return url_for(int(mark[1])) if int(mark[1]) < len(rendered.links) else mark[0]

    html = _MARK.sub(lambda mark: escape(url(mark)), rendered.html)
    if pixel and html:
        image = f'<img src="{escape(pixel)}" width="1" height="1" alt="" style="display:none">'
        head, body, tail = html.rpartition("</body>")
        html = f"{head}{image}{body}{tail}" if body else html + image
    return replace(rendered, html=html, text=_MARK.sub(url, rendered.text))


def gist(rendered: Rendered) -> str:
    """What lists call a message that is not tracked yet: its subject, or how a text without one begins, links left out."""
    return rendered.subject or " ".join(_MARK.sub("", rendered.text).split())[:GIST]
