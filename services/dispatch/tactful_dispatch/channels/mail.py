"""An envelope as an Internet message (RFC 5322): headers, text part, HTML part. Pure.

Every adapter that speaks e-mail composes here, the local viewer included, so that what `tactful dev` shows is what a
mail server would get.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy

from tactful.channels import DESK
from tactful.errors import InvalidInput
from tactful_dispatch.channels import Envelope

# The dot-string form of RFC 5321 §4.1.2; quoted local parts and SMTPUTF8 are refused, because many relays lose them.
_ADDRESS = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([^@\s<>]+)")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_MAILBOX = re.compile(r"(?:(?P<name>[^<>]*)<(?P<within>[^<>]+)>|(?P<bare>[^<>]+))")
# Controls, lone surrogates, and what `str.splitlines` takes for a line end.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LONGEST = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
_MAY_BE_ADDED = re.compile(r"(?:x-[a-z0-9-]+|feedback-id|list-id)", re.IGNORECASE)


class _MailPolicy(EmailPolicy):
    """As SMTP wants it, but for one header: the usual folding would turn a long URL into encoded words."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name == "List-Unsubscribe":
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _MailPolicy(linesep="\r\n", cte_type="7bit")  # 7bit: no relay needs 8BITMIME


@dataclass(frozen=True, slots=True)
class Mail:
    """A composed message and the two addresses of its SMTP envelope."""

    sender: str
    recipient: str
    message_id: str  # `<ours@the sender's domain>`: the same at every attempt
    message: EmailMessage

    def __bytes__(self) -> bytes:
        return self.message.as_bytes(policy=_POLICY)

    def headers(self) -> dict[str, str]:
        """The headers as a reader sees them, in order."""
        return {name: str(value) for name, value in self.message.items()}


def compose(envelope: Envelope, now: int) -> Mail:
    """The message for `envelope`, dated `now` (ms).

    Raises InvalidInput (`unsafe_header`, `bad_address`, `unsafe_text`) whose `field` names what is wrong.
    """
    sender = mailbox(envelope.sender, "sender")
    recipient = mailbox(envelope.address, "address")
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = recipient
    if envelope.reply_to:
        message["Reply-To"] = mailbox(envelope.reply_to, "reply_to")
    message["Subject"] = one_line(envelope.rendered.subject, "subject")
    message["Date"] = datetime.fromtimestamp(now / 1000, UTC)
    message_id = f"<{one_line(envelope.message_id, 'message_id')}@{sender.domain}>"
    message["Message-ID"] = message_id
    if envelope.channel != DESK:
        # RFC 3834: asks holiday answers and ticket robots to stay silent. They would count as replies.
        message["Auto-Submitted"] = "auto-generated"
    _add_unsubscribe(message, envelope)
    _add_extra(message, envelope)
    _add_content(message, envelope)
    returns = mailbox(envelope.return_path, "return_path") if envelope.return_path else sender
    return Mail(returns.addr_spec, recipient.addr_spec, message_id, message)


def mailbox(text: str, field: str) -> Address:
    """`Name <address>` or a bare address, checked. Raises InvalidInput that names `field`."""
    found = _MAILBOX.fullmatch(one_line(text, field).strip())
    name = (found["name"] or "").strip().strip('"') if found else ""
    return _address(name, (found["within"] or found["bare"]).strip() if found else "", field)


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
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""


def _add_unsubscribe(message: EmailMessage, envelope: Envelope) -> None:
    """RFC 2369 and RFC 8058; a signature (DKIM) must cover both headers, which is the relay's work."""
    url = one_line(envelope.one_click_url, "one_click_url")
    if not url.isascii():
        raise InvalidInput("unsafe_header", "one_click_url is not ASCII", "one_click_url")
    if url:
        message["List-Unsubscribe"] = f"<{url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _add_extra(message: EmailMessage, envelope: Envelope) -> None:
    for name, value in envelope.headers.items():
        if not _MAY_BE_ADDED.fullmatch(name):
            raise InvalidInput("unsafe_header", f"{name!r} is not a header that may be added", "headers")
        message[name] = one_line(value, name)


def _add_content(message: EmailMessage, envelope: Envelope) -> None:
    try:
        message.set_content(envelope.rendered.text, charset="utf-8")
        if envelope.rendered.html:
            message.add_alternative(envelope.rendered.html, subtype="html", charset="utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("unsafe_text", "the text holds half a character (a lone surrogate)", "text") from None
