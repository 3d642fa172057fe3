"""Which SMS provider texts are handed to, from one URL."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha1
from urllib.parse import parse_qs, unquote, urlsplit

from tactful.errors import SettingsError

_SCHEMES = {"twilio": "https", "twilio+plain": "http"}


@dataclass(frozen=True, slots=True)
class SmsGateway:
    """An account at a provider with Twilio's interface. The token never shows in a repr."""

    api: str  # https://api.twilio.com
    account: str
    sender: str  # a number, a short code, a name, or the id of a messaging service
    token: str = field(repr=False)

    @property
    def messages(self) -> str:
        """Where messages are posted."""
        return f"{self.api}/2010-04-01/Accounts/{self.account}/Messages.json"

    @property
    def authorization(self) -> str:
        """The value of the header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.account}:{self.token}".encode()).decode()

    def signature(self, url: str, form: Iterable[tuple[str, str]]) -> str:
        """What the provider signs a callback with: the URL as we gave it and the form in order of names, HMAC-SHA1.

        https://www.twilio.com/docs/usage/security#validating-requests
        """
        said = url + "".join(name + value for name, value in sorted(set(form)))
        return base64.b64encode(hmac.digest(self.token.encode(), said.encode(), sha1)).decode()


def sms_gateway(url: str) -> SmsGateway:
    """`twilio://ACCOUNT:TOKEN@api.twilio.com?from=+34600111222`; `twilio+plain://` for a gateway on the same network,
    which may have a path.

    Account and token are percent-encoded. Raises SettingsError without repeating the URL, which holds a secret.
    """
    shape = "twilio://ACCOUNT:TOKEN@api.twilio.com?from=+34600111222"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:  # which would repeat what it takes for a port, a token with a / in it
        raise SettingsError(
            f"the SMS URL cannot be read; write {shape}, / ? # and @ in the token percent-encoded"
        ) from None
    senders = parse_qs(parts.query.replace("+", "%2B")).get("from", [])
    if parts.scheme not in _SCHEMES or not host or not parts.username or not parts.password or len(senders) != 1:
        raise SettingsError(f"the SMS URL must look like {shape}; percent-encode / ? # and @ in the token")
    api = f"{_SCHEMES[parts.scheme]}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return SmsGateway(api, unquote(parts.username), senders[0], unquote(parts.password))
