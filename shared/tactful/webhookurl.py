"""The URL of a webhook, as far as it can be judged without asking anybody: https to a public host, on a port for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from tactful.errors import InvalidInput
from tactful.hostname import ascii_host

PORTS: Final = frozenset({443, 8443})
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


def webhook_place(url: str) -> tuple[str, int, str]:
    """Host, port and path. Raises InvalidInput `bad_url`, or `unsafe_url` if it names an address that is not public."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        name = host if ":" in host else ascii_host(host)
    except (ValueError, UnicodeError):
        raise InvalidInput("bad_url", "the URL cannot be read") from None
    if parts.scheme != "https" or not name or port not in PORTS:
        raise InvalidInput("bad_url", "a webhook's URL is https://host/path on port 443 or 8443")
    if parts.username or parts.password or "%" in host or "\\" in url or any(ord(c) <= 32 for c in url):
        raise InvalidInput("bad_url", "a webhook's URL has no user, no zone, no backslash and no space")
    if _is_address(name) and not is_public(name):
        raise InvalidInput("unsafe_url", f"{name} is not a public address")
    return name, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, whatever it is wrapped in."""
    try:
        address: Address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(each) for each in _unwrapped(address))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
