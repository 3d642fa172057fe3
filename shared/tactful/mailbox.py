"""A mailbox as mail servers take it: `Name <address>` or a bare address. Pure."""

from __future__ import annotations

import re
import unicodedata
from email.errors import MessageError
from email.header import decode_header, make_header
from email.headerregistry import Address

from tactful.errors import InvalidInput
from tactful.hostname import ascii_host

# The dot-string form of RFC 5321 §4.1.2; quoted local parts and SMTPUTF8 are refused, because many relays lose them.
_ADDRESS = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([^@\s<>]+)")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_MAILBOX = re.compile(r"(?:(?P<name>[^<>]*)<(?P<within>[^<>]+)>|(?P<bare>[^<>]+))")
# Controls, lone surrogates, and what `str.splitlines` takes for a line end.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LONGEST = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets


def mailbox(text: str, field: str) -> Address:
    """`Name <address>` or a bare address, checked. Raises InvalidInput that names `field`."""
    found = _MAILBOX.fullmatch(one_line(text, field).strip())
    name = _words((found["name"] or "").strip()) if found else ""
    return _address(name, (found["within"] or found["bare"]).strip() if found else "", field)


def _words(name: str) -> str:
    """The name as people read it: a quoted one (RFC 5322 §3.2.4) without its quotes and the backslashes that let it hold some."""
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if quoted else name.strip('"')


def one_line(value: str, field: str) -> str:
    """`value`, if neither it nor what its RFC 2047 words stand for holds a control character or a line end.

    The standard library decodes such words when a header is set and writes what they held, line ends included
    (the class of CVE-2024-6923). Words may be nested, so it is decoded until nothing changes.
    """
    decoded, seen = value, ""
    while decoded != seen:
        if any(unicodedata.category(character) in _UNSAFE for character in decoded):
            raise InvalidInput("unsafe_header", f"{field} holds a control character or a line end", field)
        seen, decoded = decoded, _decoded(decoded, field)
    return value


def _decoded(value: str, field: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        raise InvalidInput("unsafe_header", f"{field} holds a broken encoded word (RFC 2047)", field) from None


def _address(name: str, spec: str, field: str) -> Address:
    found = _ADDRESS.fullmatch(spec) if len(spec) <= _LONGEST else None
    domain = _ascii_domain(found[2]) if found else ""
    if not found or len(found[1]) > 64 or len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise InvalidInput("bad_address", f"{field} is not an e-mail address that mail servers take", field)
    return Address(name, found[1], domain)


def _ascii_domain(domain: str) -> str:
    try:
        return ascii_host(domain)
    except UnicodeError:
        return ""
