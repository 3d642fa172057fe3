"""One request to a provider over HTTP. The only module that knows httpx.

What a broken connection means depends on whether any byte of the request had left, so that is what callers are told.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from tactful.clock import SECOND

CLOSING: Final = 1.0  # seconds beyond the deadline, to let go of the connection
LARGEST: Final = 64 * 1024  # bytes of an answer; what follows is not read
_SENDING: Final = ".send_request_headers.started"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after(self, otherwise: int) -> int:
        """How long the provider wants to be left alone, in ms, by its `Retry-After` (RFC 9110 §10.2.3): a number of seconds, or an
        instant, which is told by the provider's own clock, as its `Date` is."""
        asked = self.headers.get("retry-after", "")
        if asked.isascii() and asked.isdigit():
            return int(asked[:9]) * SECOND
        try:
            wait = parsedate_to_datetime(asked) - parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, TypeError, OverflowError):  # no dates, or one of them without a zone
            return otherwise
        return max(0, round(wait.total_seconds())) * SECOND


class NotSent(Exception):
    """No byte of the request left this process."""


class NoAnswer(Exception):
    """The request left, in whole or in part, and nobody knows what became of it."""


class Http:
    """Posts without proxies, redirects, cookies, kept connections or compressed answers; `deadline` in seconds, for all of it."""

    def __init__(self, deadline: float, tls: ssl.SSLContext | None = None) -> None:
        self._deadline, self._tls = deadline, tls or ssl.create_default_context()

    async def post(
        self, url: str, content: bytes, headers: Mapping[str, str], opening: float, *, server_name: str = ""
    ) -> Reply:
        """`opening`: seconds until the first byte of the request; `server_name`: whose certificate is asked for, where `url` names an
        address. Raises NotSent, NoAnswer."""
        begun, patience = False, asyncio.timeout(opening)

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            nonlocal begun
            if event.endswith(_SENDING) and not begun:
                begun = True
                patience.reschedule(None)

        extensions: dict[str, Any] = {"trace": trace} | ({"sni_hostname": server_name} if server_name else {})
        try:
            async with asyncio.timeout(self._deadline) as whole, patience:
                return await self._ask(url, content, headers, extensions, whole)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            words = f"{type(error).__name__}: {error}".rstrip(": ")
            raise (NoAnswer(words) if begun else NotSent(words)) from None

    async def _ask(
        self, url: str, content: bytes, headers: Mapping[str, str], extensions: dict[str, Any], whole: asyncio.Timeout
    ) -> Reply:
        plain = {"accept-encoding": "identity", "user-agent": "tactful", "connection": "close", **headers}
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=None) as client,
            client.stream("POST", url, content=content, headers=plain, extensions=extensions) as response,
        ):
            until = whole.when()
            assert until is not None, "it has a deadline"
            whole.reschedule(until + CLOSING)
            return Reply(response.status_code, dict(response.headers), await _read(response, until))


async def _read(response: httpx.Response, until: float) -> bytes:
    """As far as it comes: what the provider says of the message stands in its status."""
    body = b""
    with suppress(httpx.HTTPError, OSError, TimeoutError):
        async with asyncio.timeout_at(until):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) >= LARGEST:
                    break
    return body[:LARGEST]
