"""E-mail over SMTP (RFC 5321), one connection a message. The only module that knows aiosmtplib.

The dialogue is driven command by command, because what a broken connection means depends on where it broke.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import Final, cast

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol

from tactful.clock import Clock
from tactful.errors import InvalidInput
from tactful_dispatch.channels import FIRST_BYTE, Accepted, Capabilities, Envelope, Outcome
from tactful_dispatch.channels.mail import Mail, compose, uncomposed
from tactful_dispatch.channels.mailserver import MailServer
from tactful_dispatch.channels.smtp_replies import Phase, broken, refusal

_FAREWELL: Final = 1.0  # seconds for QUIT; the answer is known by then


class SmtpAdapter:
    """Hands mail to one relay.

    `closing`: seconds for the message itself and the answer to its final dot. `tls`: what to trust, by default the system's
    certificates.
    """

    name = "smtp"

    def __init__(
        self,
        server: MailServer,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        closing: float = 30.0,
    ) -> None:
        self._server, self._clock = server, clock
        self._tls = tls or ssl.create_default_context()
        self._closing = closing
        self.capabilities = Capabilities(deadline=FIRST_BYTE + closing + _FAREWELL)

    async def send(self, envelope: Envelope, opening: float = FIRST_BYTE) -> Outcome:
        """One attempt. Retry: nothing was sent. Unknown: it may have been."""
        try:
            mail = compose(envelope, self._clock.now())
        except InvalidInput as error:
            return uncomposed(envelope, error)
        dialogue = _Dialogue(self._client(mail))
        try:
            outcome = await self._hand_over(dialogue, mail, opening)
            await dialogue.say_goodbye()
            return outcome
        except TimeoutError:
            return broken(dialogue.phase, f"{self._server.host} fell silent")
        except (SMTPException, OSError) as error:
            return broken(dialogue.phase, f"{self._server.host}: {error}")
        finally:
            dialogue.cut()

    async def _hand_over(self, dialogue: _Dialogue, mail: Mail, opening: float) -> Outcome:
        try:
            async with asyncio.timeout(opening):
                await dialogue.open(mail)
            async with asyncio.timeout(self._closing):
                return Accepted(mail.message_id, await dialogue.transmit(bytes(mail)))
        except SMTPResponseException as reply:
            return refusal(dialogue.phase, reply.code, reply.message)

    def _client(self, mail: Mail) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.security == "implicit",
            start_tls=server.security == "starttls",
            username=server.user or None,
            password=server.password or None,
            # Asking the machine for its own name may take a DNS timeout; submission servers do not look at it.
            local_hostname=mail.sender.partition("@")[2],
            tls_context=self._tls,
            timeout=None,
        )


class _Dialogue:
    """One conversation, and how far it has come."""

    def __init__(self, client: SMTP) -> None:
        self._client = client
        self._writer: asyncio.StreamWriter | None = None
        self.phase = Phase.SESSION

    async def open(self, mail: Mail) -> None:
        """Up to the server's leave to transmit (354)."""
        await self._client.connect()
        self.phase = Phase.SENDER
        await self._client.mail(mail.sender)
        self.phase = Phase.RECIPIENT
        await self._client.rcpt(mail.recipient)
        self.phase = Phase.DATA
        reply = await self._client.execute_command(b"DATA")
        if reply.code != 354:
            raise SMTPDataError(reply.code, reply.message)

    async def transmit(self, message: bytes) -> str:
        """The message, then its final dot, then the server's words of acceptance.

        The dot is written only when everything before it has left this process: up to there, a connection that
        breaks has delivered nothing.
        """
        writer, protocol = self._stream()
        writer.write(_stuffed(message))
        await writer.drain()
        self.phase = Phase.DOT
        protocol.write(b".\r\n")
        reply = await protocol.read_response()
        if reply.code != 250:
            raise SMTPDataError(reply.code, reply.message)
        return reply.message

    async def say_goodbye(self) -> None:
        """QUIT, if anybody still listens; the outcome is known, so no answer is as good as one."""
        with suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._client.quit()

    def cut(self) -> None:
        """Close, and throw away whatever was not written yet: nothing may leave after the outcome was given."""
        if self._client.transport is not None:
            cast(asyncio.WriteTransport, self._client.transport).abort()
        self._client.close()

    def _stream(self) -> tuple[asyncio.StreamWriter, SMTPProtocol]:
        """The connection as a stream whose `drain` returns only when nothing is left in this process."""
        protocol, transport = self._client.protocol, cast(asyncio.WriteTransport, self._client.transport)
        if protocol is None or transport.is_closing():
            raise SMTPServerDisconnected("the connection was lost")
        transport.set_write_buffer_limits(high=0)
        # Kept until the connection is cut: a writer that is collected closes its transport.
        self._writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())
        return self._writer, protocol


def _stuffed(message: bytes) -> bytes:
    """Line ends are CRLF and nothing else, leading dots are doubled (RFC 5321 §4.5.2), the last line is ended."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message).removesuffix(b"\r\n")
    return re.sub(rb"(?m)^\.", b"..", lines) + b"\r\n"
