"""Signed links: what a customer may do without a login. A link names its action, and with one byte changed it opens nothing. Likewise
signed is the name by which mail (reports, replies) refers to a message of ours."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from hashlib import sha256

import msgspec

from tactful.errors import InvalidInput
from tactful_dispatch.state.rows import AddressKey


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What the bearer of a link may do: one action, for one customer, because of one message."""

    action: str  # preferences | unsubscribe | mute | pause | open | click | cart | answer | about | confirm
    customer: str
    message_id: str = ""
    channel: str = ""
    purpose: str = ""
    rule: str = ""
    target: int = 0  # click: index of the stored URL; answer: which one
    sent_to: AddressKey | None = None  # where the message went; links outlive what is kept of messages


class Links:
    """Makes and reads links under a public URL. If that is a function, it is asked for each link; links that were made under another
    URL stay valid. `secret` is at least 128 random bits."""

    def __init__(self, public_url: str | Callable[[], str], secret: bytes) -> None:
        self._url = public_url if callable(public_url) else lambda: public_url
        self._secret = secret

    def url(self, grant: Grant) -> str:
        """`<public url>/<letter>/<token>`"""
        return f"{self._url().rstrip('/')}/{_PATHS[grant.action]}/{self.token(grant)}"

    def short(self, message_id: str, index: int) -> str:
        """`<public url>/s/<16 characters>`: the n-th link of a message where each character is paid for. It leads to the stored
        URL, which may be a signed one, so the id in it is enciphered: whoever posted the event that began the run can work out
        the id. None ends in a hyphen, which phones take for no part of a link."""
        if not _HASHED.fullmatch(message_id):
            return self.url(Grant("click", "", message_id, target=index))
        packed = base64.urlsafe_b64encode(self._enciphered(bytes.fromhex(message_id[2:]))).decode()
        return f"{self._url().rstrip('/')}/s/{packed}{index if index or packed.endswith('-') else ''}"

    def read_short(self, token: str) -> tuple[str, int]:
        """The message and the index that a short link names. Raises InvalidInput `bad_link`. One of another secret names a
        message that there is not."""
        parts = _SHORT.fullmatch(token)
        if parts is None:
            raise InvalidInput("bad_link", "this link is incomplete or was changed; use the one in your message")
        return "m_" + self._deciphered(base64.urlsafe_b64decode(parts[1])).hex(), int(parts[2] or 0)

    def sealed(self, message_id: str) -> str:
        """`<message id>-<10 hex characters>`: its name in mail. The id alone can be worked out by whoever posted the event that
        began the run, and a report of failed delivery closes an address."""
        return f"{message_id}-{self._mac(_SEAL + message_id.encode())[:5].hex()}"

    def sealed_in(self, text: str) -> str:
        """The first message in a text whose seal is ours; "" if there is none."""
        found = (match for match in _SEALED.finditer(text) if hmac.compare_digest(self.sealed(match[1]), match[0]))
        return next((match[1] for match in found), "")

    def token(self, grant: Grant) -> str:
        """URL-safe: payload and a 16-byte HMAC-SHA256 over it."""
        payload = msgspec.json.encode(grant)
        return self._canonical(self._mac(payload) + payload)

    def read(self, token: str, *actions: str) -> Grant:
        """What the link allows. Raises InvalidInput (`bad_link`) for anything that this secret did not sign, and for a
        link that is for none of `actions` (if any are named)."""
        grant = self._signed(token)
        if grant is None or (actions and grant.action not in actions):
            raise InvalidInput("bad_link", "this link is incomplete or was changed; use the one in your message")
        return grant

    def _signed(self, token: str) -> Grant | None:
        try:
            raw = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
            if hmac.compare_digest(raw[:16], self._mac(raw[16:])) and self._canonical(raw) == token:
                return msgspec.json.decode(raw[16:], type=Grant)
        except (ValueError, UnicodeEncodeError, msgspec.DecodeError):
            pass
        return None

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, sha256)[:16]

    def _enciphered(self, id: bytes) -> bytes:
        """As long as it was: four rounds of a Feistel network are a permutation that only the secret knows (Luby and Rackoff)."""
        left, right = id[:6], id[6:]
        for number in range(4):
            left, right = right, _xor(left, self._round(number, right))
        return left + right

    def _deciphered(self, enciphered: bytes) -> bytes:
        left, right = enciphered[:6], enciphered[6:]
        for number in reversed(range(4)):
            left, right = _xor(right, self._round(number, left)), left
        return left + right

    def _round(self, number: int, half: bytes) -> bytes:
        return hmac.digest(self._secret, b"short %d " % number + half, sha256)[:6]

    @staticmethod
    def _canonical(raw: bytes) -> str:
        # Base64 has several spellings of the same bytes; only this one is accepted, so that every flipped bit is seen.
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


_HASHED = re.compile(r"m_[0-9a-f]{24}")
_SEAL = b"mail "
_SEALED = re.compile(r"\b(m_[0-9a-f]{24})-[0-9a-f]{10}\b", re.ASCII)
_SHORT = re.compile(r"([A-Za-z0-9_-]{16})([1-9]?[0-9])?")
_PATHS = {
    "preferences": "p",
    "unsubscribe": "u",
    "mute": "n",
    "pause": "z",
    "open": "o",
    "click": "c",
    "cart": "r",
    "answer": "a",
    "about": "b",
    "confirm": "y",
}
