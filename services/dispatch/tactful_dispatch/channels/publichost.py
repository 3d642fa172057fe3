"""Which hosts a webhook may reach: public ones, at the address that was looked at. A guard against requests that somebody
makes us send to our own network (server-side request forgery, OWASP).

The name is resolved once and every answer is judged; the connection goes to the judged address, so a name that
resolves to something else a moment later (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from tactful.errors import InvalidInput
from tactful.webhookurl import is_public, webhook_place

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Target(NamedTuple):
    """Where to connect, and what to say: `url` names the address, `host` goes into the header and the handshake."""

    url: str
    host: str
    server_name: str


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Every address of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def public_target(url: str, resolve: Resolve = system_resolver) -> Target:
    """The judged address of an https URL. Raises InvalidInput `unsafe_url` or `bad_url`; OSError if the name has none."""
    host, port, path = webhook_place(url)
    addresses = await resolve(host, port)
    for address in addresses:
        if not is_public(address):
            raise InvalidInput("unsafe_url", f"{host} leads to {address}, which is not a public address")
    if not addresses:
        raise OSError(f"{host} has no address")
    first = addresses[0]
    place = f"[{first}]" if ":" in first else first
    shown = f"[{host}]" if ":" in host else host
    header = shown if port == 443 else f"{shown}:{port}"
    return Target(f"https://{place}:{port}{path}", header, host)
