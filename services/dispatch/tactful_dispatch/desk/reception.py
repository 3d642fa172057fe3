"""The desk, staffed: customers' wishes and receipts, each committed before it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from tactful import crashpoints
from tactful.channels import DESK
from tactful.clock import MINUTE, Clock
from tactful.decisions import GateRecord
from tactful.erasure import Graves
from tactful.errors import InvalidInput
from tactful.identity import digest, is_anonymous
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.purposes import MARKETING, SPAM_REPORT
from tactful.records import DISPATCH, EVENTS, ConsentBody, ConsentRecord
from tactful_dispatch.applying.announcing import announce
from tactful_dispatch.applying.asking import offer_of
from tactful_dispatch.applying.binding import tell_other_names
from tactful_dispatch.applying.consenting import said_before, take_consent, take_for_mailbox
from tactful_dispatch.applying.forgetting import revive
from tactful_dispatch.applying.inheriting import pass_on
from tactful_dispatch.applying.preferring import change_preference, wishes_in
from tactful_dispatch.applying.receiving import take_answer, take_receipt
from tactful_dispatch.desk import Basket, CustomerCard
from tactful_dispatch.desk.basket import basket_of
from tactful_dispatch.desk.cards import SHOWN, card_of
from tactful_dispatch.desk.inquiring import inquiry
from tactful_dispatch.gates import INQUIRY, judge
from tactful_dispatch.preferences import PREFERENCES
from tactful_dispatch.sending.gathering import gather, settings_of
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import COMPLAINED, STOPPED, AddressKey, CustomerRow, Delivery
from tactful_dispatch.store import DispatchStore, Workspace, delivery_of
from tactful_dispatch.topics import topics_of

T = TypeVar("T")
Work = Callable[[Workspace], T]

WHY_SHUT: Final = {  # as an operator hears it who would open an address again
    "": "the address is not shut",
    STOPPED: "its owner has stopped all messages there, and opens it again by answering START",
    COMPLAINED: "its owner has reported a message as spam",
}
OWNED: Final = ("email", "sms")  # get another owner one day; a device that renews its token keeps its own


class Reception:
    """Implements `tactful_dispatch.desk.Desk`. `changed` is told that there is something to send or to tell."""

    def __init__(
        self,
        store: DispatchStore,
        book: AddressBook,
        graves: Graves,
        clock: Clock,
        log: Log,
        changed: Callable[[], None],
    ) -> None:
        self._store, self._book, self._clock, self._log, self._changed = store, book, clock, log, changed
        self._graves = graves

    async def card(self, customer: str) -> CustomerCard:
        customer = await self._who(customer)
        partition = partition_of(customer, self._log.partitions)
        row, cursor = await self._store.customer(partition, customer), await self._store.cursor(partition)
        addresses = {key.channel: await self._store.address(key) for key in self._book.all_of(row.recipient)}
        messages = [each for name in row.names(customer) for each in await self._store.sent(name, SHOWN)]
        return card_of(customer, row, addresses, messages, settings_of(cursor.settings), self._clock.now())

    async def consent(
        self,
        customer: str,
        purpose: str,
        channel: str,
        state: str,
        *,
        via: str,
        wording: str = "",
        proof: dict[str, Any] | None = None,
        sent_to: AddressKey | None = None,
    ) -> int:
        customer, now = await self._who(customer), self._clock.now()
        body = ConsentBody(
            source="desk",
            purpose=purpose,
            channel=channel,
            state=state,
            wording=wording,
            via=via,
            occurred_at=now,
            proof=proof or {},
        )

        heard = await self._heard(body, sent_to)

        def work(space: Workspace) -> int:
            known = said_before(space, self._book, space.customer(customer), body)
            return self._take(space, customer, body, now) if known is None else known.entry

        return await self._change(customer, work, 0, heard, returns=state == "granted")

    async def mute(self, customer: str, rule: str, muted: bool) -> None:
        await self._prefer(customer, "rule_muted" if muted else "rule_unmuted", rule=rule)

    async def pause(self, customer: str, until: int) -> None:
        await self._prefer(customer, "paused" if until else "resumed", until=until)

    async def mute_topic(self, customer: str, topic: str, muted: bool) -> None:
        await self._prefer(customer, "topic_muted" if muted else "topic_unmuted", topic=topic)

    async def prefer(self, customer: str, preference: str, value: str) -> None:
        if value not in PREFERENCES.get(preference, ()):
            raise InvalidInput("unknown_wish", f"{preference} is none of: {', '.join(PREFERENCES)}", preference)
        await self._prefer(customer, preference, value=value)

    async def _prefer(self, customer: str, change: str, **more: Any) -> None:
        """Told if it changes anything."""
        customer, now = await self._who(customer), self._clock.now()

        def work(space: Workspace) -> None:
            if change_preference(space.customer(customer), {"change": change, **more}, now):
                self._tell(space, customer, change, **more)

        await self._change(customer, work, None)

    async def stop_all(
        self, customer: str, via: str, proof: dict[str, Any] | None = None, sent_to: AddressKey | None = None
    ) -> int:
        customer, now = await self._who(customer), self._clock.now()
        body = ConsentBody(
            source="desk",
            purpose=MARKETING,
            channel="",
            state="withdrawn",
            via=via,
            occurred_at=now,
            wording="stop-all",
            proof=proof or {},
        )
        heard = await self._heard(body, sent_to)

        def work(space: Workspace) -> int:
            row = space.customer(customer)
            if row.stopped_at and now - row.stopped_at < MINUTE:  # the same press twice
                return next((w.entry for w in row.words if (w.purpose, w.channel) == (MARKETING, "")), 0)
            change_preference(row, {"change": "stopped"}, now)
            self._tell(space, customer, "stopped")
            return self._take(space, customer, body, now)

        return await self._change(customer, work, 0, heard)

    async def reopen(self, customer: str, channel: str, by: str, why: str) -> str:
        """An operator says that the customer's address works again. What a provider had said of it. Raises InvalidInput if none
        has shut it: a "no" of its owner stands."""
        customer, now = await self._who(customer), self._clock.now()

        def work(space: Workspace) -> tuple[str, str]:
            key = self._book.of(space.customer(customer).recipient, channel)
            if key is None:
                return "", f"no address of {customer} for {channel} is known"
            address = space.address(key)
            was = address.reopen()
            if not was:
                return "", WHY_SHUT.get(address.kept_shut, address.kept_shut)
            told = {"channel": channel, "by": by, "why": why, "was": was}
            id = digest("reopened", customer, channel, str(now))
            space.put(EVENTS, announce("Address Reopened", id, customer, now, told))
            return was, ""

        was, refused = await self._change(customer, work, ("", f"{customer} was erased"))
        if refused:
            raise InvalidInput("not_reopened", f"{refused}. Nothing was changed", "channel")
        return was

    async def receipt(self, message_id: str, name: str, detail: dict[str, Any]) -> bool:
        known = await self._store.delivery(message_id)
        if known is None:
            return False
        customer, channel = known.message.customer, known.message.channel
        if name == "Message Complained" and name not in known.receipts and channel != DESK:
            # First: at the news of the report a run may try the next channel.
            proof = {"message_id": message_id}
            await self.consent(customer, MARKETING, channel, "withdrawn", via=SPAM_REPORT, proof=proof)

        def work(space: Workspace) -> None:
            delivery = delivery_of(space, customer, message_id)
            if delivery is not None:
                take_receipt(space, delivery, name, detail, self._clock.now())
                crashpoints.reach("dispatch: receipt")

        await self._change(customer, work, None)
        return True

    async def answer(self, message_id: str, answer: str, text: str = "") -> str:
        known = await self._store.delivery(message_id)
        if known is None:
            return ""
        customer = known.message.customer

        def work(space: Workspace) -> str:
            delivery = delivery_of(space, customer, message_id)
            if delivery is None:
                return ""
            return take_answer(space, delivery, answer, text, self._clock.now())

        given = await self._change(customer, work, "")
        wishes = wishes_in(given, known.message)
        if wishes and (who := await self._who(customer)) != customer:
            for wish in wishes:
                await self._prefer(who, **wish)
        return given

    async def topics(self, message_id: str) -> tuple[str, ...]:
        delivery = await self._store.delivery(message_id)
        return topics_of(delivery.message) if delivery else ()

    async def basket(self, message_id: str) -> Basket | None:
        delivery = await self._store.delivery(message_id)
        if delivery is None:
            return None
        row = await self._row(await self._who(delivery.message.customer))
        return basket_of(delivery, row.muted_topics)

    async def offered(self, message_id: str) -> tuple[str, str] | None:
        delivery = await self._store.delivery(message_id)
        if delivery is None or not await self._went_to_them(delivery):
            return None
        return offer_of(delivery.message)

    async def former(
        self, customer: str, message_id: str, who: str = "", sent_to: AddressKey | None = None
    ) -> str | None:
        delivery = await self._store.delivery(message_id) if message_id else None
        address, names, now = delivery.address if delivery else sent_to, await self._names(customer), None
        names += [who] if who and who not in names else []
        was_visitor = is_anonymous(customer) and len(names) > 1
        if address is None:
            return "" if was_visitor else None
        for name in names[1:] if was_visitor else names:
            row = await self._row(name)
            now = self._book.of(row.recipient, address.channel)
            if address == now or address in row.ended_with:
                return None
        return address.channel if was_visitor or (now and address.channel in OWNED) else None

    async def check(self, customer: str, channel: str, purpose: str, rule: str = "") -> list[GateRecord]:
        customer, now = await self._who(customer), self._clock.now()
        partition = partition_of(customer, self._log.partitions)
        row, cursor = await self._store.customer(partition, customer), await self._store.cursor(partition)
        key = self._book.of(row.recipient, channel)
        address = await self._store.address(key) if key else None
        wish = Delivery(message=inquiry(customer, channel, purpose, rule, now))
        facts = gather(cursor, row, address, wish, now, (channel,), None)
        erased = cursor.graves > 0 and self._graves.of(customer) in await self._store.graves(partition)
        if await self._log.end(DISPATCH, partition) == cursor.offset:
            facts = replace(facts, read_through=now)  # a quiet log is read to its end
        return judge(wish.message, replace(facts, erased=erased), INQUIRY)

    async def click_target(self, message_id: str, index: int) -> str | None:
        delivery = await self._store.delivery(message_id)
        return delivery.links[index] if delivery and 0 <= index < len(delivery.links) else None

    async def _who(self, customer: str) -> str:
        """Who they turned out to be: links in old messages carry the old name."""
        return (await self._names(customer))[-1]

    async def _names(self, customer: str) -> list[str]:
        """The customer, and who they turned out to be, one after the other."""
        names = [customer]
        while to := (await self._row(names[-1])).linked_to:
            names.append(to)
        return names

    async def _row(self, customer: str) -> CustomerRow:
        return await self._store.customer(partition_of(customer, self._log.partitions), customer)

    async def _heard(self, body: ConsentBody, sent_to: AddressKey | None) -> Work[None]:
        """What is said through the link of a message, heard where that went: as the store knows, or else as the link says."""
        message_id = str(body.proof.get("message_id", ""))
        known = await self._store.delivery(message_id) if message_id else None
        key, message = (known.address, known.message) if known is not None else (sent_to, None)
        return partial(take_for_mailbox, key, message, body)

    async def _went_to_them(self, delivery: Delivery) -> bool:
        """Whether the customer still has the address that a message went to. Whoever reads there speaks for no other address."""
        recipient, went_to = (await self._row(await self._who(delivery.message.customer))).recipient, delivery.address
        return went_to is not None and went_to == self._book.of(recipient, went_to.channel)

    async def _change(
        self, customer: str, work: Work[T], gone: T, always: Work[None] = lambda space: None, *, returns: bool = False
    ) -> T:
        """`gone` is the answer for somebody who was erased, unless the change itself brings them back. `always`: also of them."""
        grave = self._graves.of(customer)

        def unless_gone(space: Workspace) -> T:
            always(space)
            if space.cursor.graves and space.grave(grave):
                if not returns:
                    return gone
                revive(space, grave)
            return work(space)

        result = await self._store.transact(partition_of(customer, self._log.partitions), [customer], unless_gone)
        self._changed()
        return result

    def _take(self, space: Workspace, customer: str, body: ConsentBody, now: int) -> int:
        row = space.customer(customer)
        latest = max((word.at for word in row.words), default=0)  # by the clock of another machine, which may be ahead
        stopped_at = row.stopped_at + 1 if body.state == "granted" else 0  # which a yes ends that is said later
        body = msgspec.structs.replace(body, occurred_at=max(body.occurred_at, latest, stopped_at))
        id = digest("desk", customer, str(now), str(len(row.repeats)), body.purpose, body.channel, body.state)
        record = ConsentRecord(id=id, key=customer, at=now, body=body)
        number = take_consent(space, self._book, record, now)
        # They are somebody else since it was asked who they are: their word follows what has travelled.
        pass_on(space, record, now)
        crashpoints.reach("dispatch: opt-out")
        return number

    def _tell(self, space: Workspace, customer: str, change: str, **more: Any) -> None:
        now = self._clock.now()
        id = digest("preferences", customer, change, str(now), str(more))
        space.put(EVENTS, announce("Preferences Changed", id, customer, now, {"change": change, **more}))
        tell_other_names(space, customer, now)
