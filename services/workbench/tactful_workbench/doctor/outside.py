"""Asking the world outside: DNS, and our own public pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver
import httpx

PATIENCE: Final = 3.0  # seconds
_MARK: Final = "x-robots-tag"  # every page about a person carries it
_NOT_SIGNED_BY_US: Final = 404


class Outside:
    """Implements `tactful_workbench.doctor.findings.Web`. `transport` reaches pages in another way than over the network."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport

    async def texts(self, name: str) -> Sequence[str]:
        try:
            answer = await dns.asyncresolver.resolve(name, "TXT", lifetime=PATIENCE)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.exception.DNSException as error:
            raise OSError(str(error)) from None
        return [b"".join(record.strings).decode(errors="replace") for record in answer]

    async def is_ours(self, url: str) -> bool:
        try:
            async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False, transport=self._transport) as client:
                answer = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(str(error) or type(error).__name__) from None
        return _MARK in answer.headers and answer.status_code != _NOT_SIGNED_BY_US
