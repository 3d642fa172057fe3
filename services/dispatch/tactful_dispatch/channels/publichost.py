"""Which hosts a webhook may reach: public ones, at the address that was looked at. A guard against requests that somebody
makes us send to our own network (server-side request forgery, OWASP).

The name is resolved once and every answer is judged; the connection goes to the judged address, so a name that
resolves to something else a moment later (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tactful.errors import InvalidInput

PORTS: Final = frozenset({443, 8443})
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Address = IPv4Address | IPv6Address

_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
# What the registries call special and `is_global` of some Python releases still calls global.
_SPECIAL: Final = tuple(
    map(
        ip_network,
        [
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "224.0.0.0/3",
            "::/8",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ],
    )
)


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
    host, port, path = _parts(url)
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


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, whatever it is wrapped in."""
    try:
        address: Address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(each) for each in _unwrapped(address))


def _parts(url: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        name = host if ":" in host else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        raise InvalidInput("bad_url", "the URL cannot be read") from None
    if parts.scheme != "https" or not name or port not in PORTS:
        raise InvalidInput("bad_url", "a webhook's URL is https://host/path on port 443 or 8443")
    if parts.username or parts.password or "%" in host or "\\" in url or any(ord(c) <= 32 for c in url):
        raise InvalidInput("bad_url", "a webhook's URL has no user, no zone, no backslash and no space")
    return name, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _unwrapped(address: Address) -> tuple[Address, ...]:
    """The address and those inside it: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380)."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if any(address in network for network in _NAT64):
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    inside: list[Address] = [address]
    if address.sixtofour is not None:
        inside.append(address.sixtofour)
    if address.teredo is not None:
        inside += address.teredo
    return tuple(inside)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address.sixtofour is not None:
        return False  # nobody serves webhooks through a relay that anybody may run
    special = any(address in network for network in _SPECIAL if network.version == address.version)
    return address.is_global and not address.is_multicast and not special
