"""Playing the customer of a letter in the dev inbox: what their mail program or provider would report."""

from __future__ import annotations

from tactful.errors import InvalidInput
from tactful_dispatch.channels.inbox import Letter
from tactful_dispatch.desk import Desk
from tactful_workbench.inbox.ports import Act

_RECEIPTS = {
    Act.OPEN: ("Message Opened", "opened"),
    Act.CLICK: ("Message Clicked", "clicked"),
    Act.REPLY: ("Message Replied", "answered"),
    Act.BOUNCE: ("Message Bounced", "sent it back: the address is not used again"),
    Act.SPAM: ("Message Complained", "reported it as spam: the address is not used again"),
}


class Playing:
    """Implements `tactful_workbench.inbox.ports.Play`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def play(self, letter: Letter, act: Act, text: str) -> str:
        if act is Act.UNSUBSCRIBE:
            return await self._unsubscribe(letter)
        name, said = _RECEIPTS[act]
        detail: dict[str, object] = {"text": text} if act is Act.REPLY else {}
        if act is Act.BOUNCE:
            detail["hard"] = True
        if not await self._desk.receipt(letter.message_id, name, detail):
            raise InvalidInput("unknown_message", "dispatch no longer knows this message")
        return f"{letter.customer} {said}"

    async def _unsubscribe(self, letter: Letter) -> str:
        proof = {"message_id": letter.message_id}
        entry = await self._desk.consent(
            letter.customer, "marketing", letter.channel, "withdrawn", via="one-click", proof=proof
        )
        return f"{letter.customer} unsubscribed: entry #{entry} of the consent ledger"
