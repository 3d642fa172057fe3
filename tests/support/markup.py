"""What a browser would make of a page: its elements and attributes, and what may load or run."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Final

import httpx

HOSTILE: Final = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}</style>{% raw %}"


class Markup(HTMLParser):
    """All elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


def assert_harmless(answer: httpx.Response, images: int = 0) -> Markup:
    """The page runs nothing, loads nothing from elsewhere, and its style is the one that its policy names."""
    page = Markup(answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"'sha256-{b64encode(sha256(page.style.encode()).digest()).decode()}'" in policy
    names = [tag for tag, _ in page.elements]
    assert not {"script", "object", "embed", "base", "link"} & set(names)
    assert names.count("img") == images
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        assert not str(attributes.get("href", "")).lower().startswith(("javascript:", "data:"))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    return page
