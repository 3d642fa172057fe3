"""An envelope as an Internet message (RFC 5322): headers, text part, HTML part. Pure.

Every adapter that speaks e-mail composes here, the local viewer included, so that what `tactful dev` shows is what a
mail server would get.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Final

from tactful.channels import DESK
from tactful.clock import MINUTE
from tactful.errors import InvalidInput
from tactful.mailbox import mailbox, one_line
from tactful_dispatch.channels import Envelope, Rejected, Retry

MENDED: Final = 5 * MINUTE
LINE: Final = 78  # characters (RFC 5322 §2.1.1)
LONGEST_LINE: Final = 998  # characters (RFC 5322 §2.1.1)
_WORDS: Final = frozenset({"From", "To", "Reply-To", "Subject"})  # headers that say something to people
_SETTINGS = frozenset({"sender", "reply_to", "return_path", "one_click_url"})  # what [shop] says, within an envelope


class _MailPolicy(EmailPolicy):
    """As SMTP wants it, but for what the usual folding gets wrong: it would turn a long URL into encoded words, and where a
    line ends it loses blanks between encoded words and the quotes of a name with commas."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name == "List-Unsubscribe":
            whole = f"{name}: {value}"
            # Of an id of hundreds of letters the line would be one that servers refuse; blanks within the URL are ignored (RFC 2369 §2).
            pieces = [whole[at : at + LONGEST_LINE - 1] for at in range(0, len(whole), LONGEST_LINE - 1)]
            return ("\r\n ".join([whole] if len(whole) <= LONGEST_LINE else pieces) + "\r\n").encode("ascii")
        if value.isascii() and (name not in _WORDS or len(f"{name}: {value}") <= LINE):
            return super().fold_binary(name, value)
        mailboxes: tuple[Address, ...] = getattr(value, "addresses", ())
        if not mailboxes:
            return f"{name}: {_encoded(value, name)}\r\n".encode("ascii")
        (one,) = mailboxes
        return f"{name}: {_encoded(one.display_name, name)}\r\n <{one.addr_spec}>\r\n".encode("ascii")


def _encoded(words: str, name: str) -> str:
    """As encoded words (RFC 2047) on lines of their own, in the header `name`."""
    return Header(words, "utf-8", header_name=name, maxlinelen=LINE - 2).encode(linesep="\r\n") if words else ""


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
    message_id = f"<{one_line(envelope.mail_name or envelope.message_id, 'message_id')}@{sender.domain}>"
    message["Message-ID"] = message_id
    if envelope.channel != DESK:
        # RFC 3834: asks holiday answers and ticket robots to stay silent. They would count as replies.
        message["Auto-Submitted"] = "auto-generated"
    _add_unsubscribe(message, envelope)
    _add_content(message, envelope)
    returns = mailbox(envelope.return_path, "return_path") if envelope.return_path else sender
    return Mail(returns.addr_spec, recipient.addr_spec, message_id, message)


def uncomposed(envelope: Envelope, error: InvalidInput) -> Rejected | Retry:
    """What it means that there is no message for `envelope`: what comes of the shop's own settings waits until they are mended."""
    settings = _SETTINGS | {"address"} if envelope.channel == DESK else _SETTINGS
    if error.field in settings:
        return Retry(MENDED, error.code, f"{error.message}; mend [shop] in settings.toml")
    return Rejected(error.code, error.message, suppress=error.field == "address")


def _add_unsubscribe(message: EmailMessage, envelope: Envelope) -> None:
    """RFC 2369 and RFC 8058; a signature (DKIM) must cover both headers, which is the relay's work."""
    url = one_line(envelope.one_click_url, "one_click_url")
    if not url.isascii():
        raise InvalidInput("unsafe_header", "one_click_url is not ASCII", "one_click_url")
    if url:
        message["List-Unsubscribe"] = f"<{url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _add_content(message: EmailMessage, envelope: Envelope) -> None:
    try:
        message.set_content(envelope.rendered.text, charset="utf-8")
        if envelope.rendered.html:
            message.add_alternative(envelope.rendered.html, subtype="html", charset="utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("unsafe_text", "the text holds half a character (a lone surrogate)", "text") from None
