"""The text part of an e-mail, derived from its HTML: a letter that reads well where no HTML is shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_SILENT: Final = frozenset({"head", "style", "script", "title"})
_PARAGRAPHS: Final = frozenset(
    [
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "tr",
        "table",
        "caption",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "div",
        "blockquote",
        "pre",
        "address",
        "center",
        "section",
        "article",
        "header",
        "footer",
    ]
)
# HTML Standard §13.1.2.
_VOID: Final = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)


def letter(html: str) -> str:
    """Paragraphs parted by empty lines, links in full behind their words; `data-text` says what becomes of an element:
    `none` leaves it out, `line` makes it a new line, `words` leaves out where a link leads."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.pieces).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._silent = 0  # how many elements deep inside one that is left out
        self._targets: list[str] = []
        self._open_end = 0  # so many pieces there were when a link had just ended

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag in _VOID:
            self._stand_in(tag, attributes)
        elif self._silent or tag in _SILENT or attributes.get("data-text") in ("none", "line"):
            self._silent += 1
            if attributes.get("data-text") == "line":
                self.pieces.append("\n")
        elif tag == "a":
            words_only = attributes.get("data-text") == "words"
            self._targets.append("" if words_only else attributes.get("href") or "")
        elif tag in _PARAGRAPHS:
            self.pieces.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._silent:
            self._silent -= 1
        elif tag == "a" and self._targets:
            if target := self._targets.pop():
                self.pieces.append(self._behind_words() + target)
                self._open_end = len(self.pieces)
        elif tag in _PARAGRAPHS:
            self.pieces.append("\n\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        """Words; a blank parts them from a link before them, or they would be taken for its end."""
        if self._silent or not data:
            return
        parted = data[0].isspace() or data[0] in ".,;:!?)" or len(self.pieces) != self._open_end
        self.pieces.append(re.sub(r"\s+", " ", data if parted else f" {data}"))

    def _stand_in(self, tag: str, attributes: dict[str, str | None]) -> None:
        """A picture is its words, as for whoever does not see it."""
        if tag == "br" and not self._silent:
            self.pieces.append("\n")
        elif tag == "img":
            self.handle_data(attributes.get("alt") or "")

    def _behind_words(self) -> str:
        if self.pieces and self.pieces[-1].endswith("\n"):
            return ""
        return " " if self.pieces and self.pieces[-1].endswith(("?", ".", ":")) else ": "
