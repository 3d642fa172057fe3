"""Which mail server mail is handed to, from one URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from tactful.errors import SettingsError
from tactful.hostname import ascii_host

Security = Literal["starttls", "implicit", "none"]
_SCHEMES: Final[dict[str, tuple[Security, int]]] = {
    "smtp": ("starttls", 587),
    "smtps": ("implicit", 465),
    "smtp+plain": ("none", 25),
}


@dataclass(frozen=True, slots=True)
class MailServer:
    """A relay. The password never shows in a repr."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def mail_server(url: str) -> MailServer:
    """`smtp://user:password@host:587` upgrades by STARTTLS or does not send; `smtps://` is TLS from the first byte;
    `smtp+plain://` is for a relay on the same machine or network, and takes no password.

    User and password are percent-encoded. Raises SettingsError without repeating the URL, which holds a secret.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        # As the wire has it: by the standard library's own idea of it the password for mail.straße.example would go to another's server.
        host = ascii_host(host) if host else ""
    except ValueError:  # which would repeat what it takes for a port, a password with a / in it
        raise SettingsError(
            "the SMTP URL cannot be read; write smtp://user:password@host:587, / ? # [ ] and @ in the password percent-encoded"
        ) from None
    if parts.scheme not in _SCHEMES or not host or parts.path.strip("/") or parts.query:
        raise SettingsError(
            "the SMTP URL must look like smtp://user:password@host:587, smtps://user:password@host:465 or "
            "smtp+plain://host:25; percent-encode / ? # and @ in the password"
        )
    security, usual_port = _SCHEMES[parts.scheme]
    if security == "none" and parts.password:
        raise SettingsError("smtp+plain:// would send the password in the clear; use smtp:// or smtps://")
    return MailServer(host, port or usual_port, security, unquote(parts.username or ""), unquote(parts.password or ""))
