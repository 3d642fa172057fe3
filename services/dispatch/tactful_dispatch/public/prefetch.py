"""Telling a person who looks from a machine that fetches ahead.

- Apple Mail Privacy Protection loads every picture when the mail arrives, through relays that call themselves exactly
  `Mozilla/5.0` (help.socketlabs.com, "Identifying Apple MPP opens").
- Gmail and Yahoo load pictures through proxies that name themselves.
- Messengers and networks fetch a link to show what is behind it, search engines to index it, gateways to see whether it does harm;
  some name themselves, most of them with a page that says who they are (`+http://vk.com/dev/Share`), and scripts name their library.
- Browsers that fetch ahead say so: `Sec-Purpose: prefetch` (Fetch Standard), formerly `Purpose` and `X-Moz`.

Who hides better than that is taken for a person; that is why an open alone is weak evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# A word that ends in "bot" is one, but for the telephones of Cubot.
_MACHINE: Final = re.compile(
    r"(?i)GoogleImageProxy|YahooMailProxy|(?<!\bcu)bot\b|facebookexternalhit|^WhatsApp/|SkypeUriPreview|BingPreview"
    r"|\+https?://|HeadlessChrome|Barracuda|Proofpoint|Mimecast"
    r"|^(?:curl|wget|python|java|apache-httpclient|ahc|go-http-client|libwww-perl|node-fetch|axios)\b"
)
_ANNOUNCED: Final = ("sec-purpose", "purpose", "x-moz")


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether a request's headers (lower-case names) are those of a known prefetcher, or of nobody at all."""
    agent = headers.get("user-agent", "").strip()
    if agent in ("", "Mozilla/5.0") or _MACHINE.search(agent):
        return True
    return any("prefetch" in headers.get(name, "") for name in _ANNOUNCED)
