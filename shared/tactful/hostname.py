"""The name of a host in any script, as the wire has it. Pure."""

from __future__ import annotations

import idna


def ascii_host(name: str) -> str:
    """`xn--…` for each label that is not ASCII (IDNA 2008, RFC 5891). Raises UnicodeError for what is no name.

    The standard library knows IDNA 2003 alone, by which straße.example is strasse.example, whoever has that (RFC 5894 §7.2). It is asked
    for names that only it allows: underscores, and signs like ☕.
    """
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return name.encode("idna").decode()
