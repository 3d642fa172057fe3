"""The text part of an e-mail, derived from its HTML: a letter that reads well where no HTML is shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_SILENT: Final = frozenset({"head", "style", "script", "title"})
_PARAGRAPHS: Final = frozenset({"p", "h1", "h2", "h3", "tr", "table", "li", "div"})
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]  # HTML Standard §13.1.2
)


def letter(html: str) -> str:
    """Paragraphs parted by empty lines, links in full behind their words; `data-text` says what becomes of an element:
    `none` leaves it out, `line` makes it a new line, `words` leaves out where a link leads."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.pieces).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _in_place_of(tag: str, attributes: dict[str, str | None]) -> str:
    """A picture is its words, as for whoever does not see it."""
    return "\n" if tag == "br" else attributes.get("alt") or "" if tag == "img" else ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._silent = 0  # how many elements deep inside one that is left out
        self._targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag in _VOID:
            self.pieces.append("" if self._silent else _in_place_of(tag, attributes))
        elif self._silent or tag in _SILENT or attributes.get("data-text") in ("none", "line"):
            self.pieces.append("\n" if attributes.get("data-text") == "line" else "")
            self._silent += 1
        elif tag == "a":
            words_only = attributes.get("data-text") == "words"
            self._targets.append("" if words_only else attributes.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._silent:
            self._silent -= 1
        elif tag == "a" and self._targets:
            target = self._targets.pop()
            self.pieces.append(self._behind_words() + target if target else "")
        elif tag in _PARAGRAPHS:
            self.pieces.append("\n\n")
        elif tag == "td":
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(re.sub(r"\s+", " ", data))

    def _behind_words(self) -> str:
        return " " if self.pieces and self.pieces[-1].endswith(("?", ".", ":")) else ": "
