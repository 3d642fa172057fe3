"""What comes from an address rather than through a signed link: somebody texts STOP, or answers.

An opt-out binds the address, and with it everybody who uses it, known or not.
"""

from __future__ import annotations

from typing import Any

from tactful import crashpoints
from tactful.clock import Clock
from tactful.purposes import MARKETING
from tactful_dispatch.applying.consenting import bind
from tactful_dispatch.desk import Desk
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import STOPPED
from tactful_dispatch.store import DispatchStore, Workspace


class Correspondence:
    """Finds out who uses an address, and tells the desk."""

    def __init__(self, store: DispatchStore, book: AddressBook, desk: Desk, clock: Clock) -> None:
        self._store, self._book, self._desk, self._clock = store, book, desk, clock

    async def stop(self, channel: str, address: str, via: str, proof: dict[str, Any]) -> int:
        """Shut an address, and withdraw marketing for everybody who was written to there; how many they are."""
        key, now = self._book.key(channel, address), self._clock.now()

        def close(space: Workspace) -> None:
            space.address(key).suppress(STOPPED)
            bind(space, key, MARKETING, now)

        await self._store.transact(0, [], close)
        crashpoints.reach("dispatch: address closed")
        customers, proof = (await self._store.address(key)).customers, {**proof, "address": key.hash}
        for customer in customers:
            await self._desk.consent(customer, MARKETING, channel, "withdrawn", via=via, proof=proof)
        return len(customers)

    async def start(self, channel: str, address: str) -> None:
        """Open an address that its owner has stopped. That is no consent: what was withdrawn stays so until it is granted anew."""
        key = self._book.key(channel, address)

        await self._store.transact(0, [], lambda space: space.address(key).start())

    async def reply(self, channel: str, address: str, text: str, reply_id: str) -> bool:
        """An answer, by the provider's id for it, belongs to the latest message that went to the address, of whatever purpose;
        if that is gone, to the latest that advertised. False if there is none."""
        row = await self._store.address(self._book.key(channel, address))
        advertised = max(row.contacts, key=lambda contact: contact.at, default=None)
        detail = {"text": text[:1000], "reply_id": reply_id}
        for message_id in (row.latest, advertised.message_id if advertised else ""):
            if message_id and await self._desk.receipt(message_id, "Message Replied", detail):
                return True
        return False
