"""How a letter is shown: an e-mail as the document in its frame, everything else as text with its links."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# The pixel that reports an opening: looking into the inbox is not the customer opening the mail.
_PIXEL: Final = re.compile(r"<img\b[^>]*\bsrc\s*=\s*[\"']?[^\"'\s>]*/o/[\w-]+[^>]*>", re.IGNORECASE)
_LINK: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")

# Pictures come from this machine only, and nothing in the mail runs. Links open beside the inbox.
BODY_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: http://127.0.0.1:* http://localhost:*; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Piece(NamedTuple):
    """A stretch of text; `link` is where it leads, if anywhere."""

    text: str
    link: str = ""


def body_document(html: str) -> str:
    """The mail's document without the pixel, its links opening in a window of their own."""
    shown = _PIXEL.sub("", html)
    target = '<base target="_blank">'
    head = re.search(r"<head\b[^>]*>", shown, re.IGNORECASE)
    return f"{target}{shown}" if head is None else f"{shown[: head.end()]}{target}{shown[head.end() :]}"


def pieces(text: str) -> list[Piece]:
    """Text with its web addresses told apart."""
    found, end = [], 0
    for link in _LINK.finditer(text):
        found += [Piece(text[end : link.start()]), Piece(link[0], link[0])]
        end = link.end()
    return [piece for piece in (*found, Piece(text[end:])) if piece.text]
