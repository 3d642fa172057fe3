"""Who may look at the console: an operator's key, as the password of HTTP Basic (RFC 7617). Any user name will do.

What changes something has to come from the console's own pages: browsers send a password along wherever a form comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from tactful.keys import OPERATOR, KeyRing, basic_credentials

CHALLENGE: Final[Mapping[str, str]] = {"www-authenticate": 'Basic realm="Tactful console", charset="UTF-8"'}
_ANYBODY: Final = "console"


class Entrance:
    """Without keys everybody who reaches the port may enter: `tactful dev`, which listens on loopback alone."""

    def __init__(self, keys: KeyRing | None) -> None:
        self._keys = keys

    async def who(self, request: Request) -> str | None:
        """The name of the operator's key; None for whoever has none."""
        if self._keys is None:
            return _ANYBODY
        user, password = basic_credentials(request.headers.get("authorization", ""))
        key = await self._keys.find(password or user) if password or user else None
        return key.name if key is not None and key.scope == OPERATOR else None


def is_from_our_page(request: Request) -> bool:
    """Whether a form was sent by a page of ours, as the browser tells (Fetch Metadata, or else Origin); programs tell nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")
