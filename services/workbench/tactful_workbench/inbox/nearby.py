"""Who may open the pages of `tactful dev`, which ask for no key: whoever works on this machine, and no site in their browser.

A site whose own name is made to lead here (DNS rebinding) is to the browser the site that it reads; only the name tells. One that
nobody can register is nobody's site.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from tactful.errors import InvalidInput

# RFC 6761, 6762 and 8375, and what ICANN has set aside: containers and home networks use them.
_PRIVATE: Final = ("localhost", "local", "test", "internal", "home.arpa")


def only_from_here(request: Request) -> None:
    """Raises InvalidInput."""
    host = request.headers.get("host", "")
    if not _is_private(host):
        raise InvalidInput(
            "unknown_host", f"these pages are for whoever works on this machine, not for {host}; open them at 127.0.0.1"
        )


def _is_private(host: str) -> bool:
    """Whether it is an address, or a name that leads to this machine or network alone."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        return bool(ip_address(name))
    except ValueError:
        return "." not in name or any(name.endswith(f".{end}") for end in _PRIVATE)
