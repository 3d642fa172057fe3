"""The desk, staffed: customers' wishes and receipts, each committed before it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from tactful import crashpoints
from tactful.clock import Clock
from tactful.identity import digest
from tactful.outbox import Cause
from tactful.partitioning import partition_of
from tactful.purposes import MARKETING
from tactful.records import EVENTS, ConsentBody
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.announcing import announce
from tactful_dispatch.consenting import standing_word, take_consent
from tactful_dispatch.deciding import look_again
from tactful_dispatch.desk import ConsentState, CustomerCard, SentMessage
from tactful_dispatch.gathering import settings_of
from tactful_dispatch.receiving import take_answer, take_receipt
from tactful_dispatch.rows import Delivery
from tactful_dispatch.store import DispatchStore, Workspace

T = TypeVar("T")

SHOWN: Final = 20


class Reception:
    """Implements `tactful_dispatch.desk.Desk`. `changed` is told that there is something to send or to tell."""

    def __init__(
        self, store: DispatchStore, book: AddressBook, clock: Clock, partitions: int, changed: Callable[[], None]
    ) -> None:
        self._store, self._book, self._clock, self._count, self._changed = store, book, clock, partitions, changed

    async def card(self, customer: str) -> CustomerCard:
        partition = partition_of(customer, self._count)
        row, cursor = await self._store.customer(partition, customer), await self._store.cursor(partition)
        recipient = row.recipient
        return CustomerCard(
            customer=customer,
            addresses=recipient.addresses if recipient else {},
            first_name=recipient.first_name if recipient else None,
            locale=recipient.locale if recipient else None,
            zone=recipient.zone if recipient else None,
            consents=tuple(
                ConsentState(w.purpose, w.channel, w.state, w.entry, w.at, w.basis, w.wording, w.via) for w in row.words
            ),
            muted_rules=tuple(row.muted_rules),
            paused_until=row.paused_until,
            stopped=bool(row.stopped_at),
            messages=tuple(_sent(each) for each in await self._store.sent(customer, SHOWN)),
            shop_locale=settings_of(cursor.settings).shop.locale,
        )

    async def consent(
        self,
        customer: str,
        purpose: str,
        channel: str,
        state: str,
        *,
        basis: str = "consent",
        via: str,
        wording: str = "",
        proof: dict[str, Any] | None = None,
    ) -> int:
        now = self._clock.now()
        body = ConsentBody(
            source="desk",
            purpose=purpose,
            channel=channel,
            state=state,
            basis=basis,
            wording=wording,
            via=via,
            occurred_at=now,
            proof=proof or {},
        )

        def work(space: Workspace) -> int:
            last = standing_word(space.customer(customer), purpose, channel)
            if last is not None and (last.purpose, last.channel, last.state) == (purpose, channel, state):
                return last.entry  # said again, and nothing was said in between
            return self._take(space, customer, body, now)

        return await self._change(customer, work)

    async def mute(self, customer: str, rule: str, muted: bool) -> None:
        def work(space: Workspace) -> None:
            row = space.customer(customer)
            if (rule in row.muted_rules) != muted:
                row.muted_rules = [r for r in row.muted_rules if r != rule] + ([rule] if muted else [])
                look_again(row)
                self._tell(space, customer, "rule_muted" if muted else "rule_unmuted", rule=rule)

        await self._change(customer, work)

    async def pause(self, customer: str, until: int) -> None:
        def work(space: Workspace) -> None:
            row = space.customer(customer)
            if row.paused_until != until:
                row.paused_until = until
                look_again(row)
                self._tell(space, customer, "paused" if until else "resumed", until=until)

        await self._change(customer, work)

    async def stop_all(self, customer: str, via: str) -> int:
        now = self._clock.now()
        body = ConsentBody(
            source="desk",
            purpose=MARKETING,
            channel="",
            state="withdrawn",
            via=via,
            occurred_at=now,
            wording="stop-all",
        )

        def work(space: Workspace) -> int:
            row = space.customer(customer)
            if row.stopped_at:
                return next((w.entry for w in row.words if (w.purpose, w.channel) == (MARKETING, "")), 0)
            row.stopped_at = now
            self._tell(space, customer, "stopped")
            return self._take(space, customer, body, now)

        return await self._change(customer, work)

    async def receipt(self, message_id: str, name: str, detail: dict[str, Any]) -> bool:
        known = await self._store.delivery(message_id)
        if known is None:
            return False
        customer = known.message.customer

        def work(space: Workspace) -> None:
            delivery = space.customer(customer).deliveries.get(message_id) or space.decided(message_id)
            if delivery is not None:
                take_receipt(space, customer, delivery, name, detail, self._clock.now(), _cause(space))

        await self._change(customer, work)
        return True

    async def answer(self, message_id: str, answer: str, text: str = "") -> str:
        known = await self._store.delivery(message_id)
        if known is None:
            return ""
        customer = known.message.customer

        def work(space: Workspace) -> str:
            delivery = space.customer(customer).deliveries.get(message_id) or space.decided(message_id)
            if delivery is None:
                return ""
            return take_answer(space, customer, delivery, answer, text, self._clock.now(), _cause(space))

        return await self._change(customer, work)

    async def click_target(self, message_id: str, index: int) -> str | None:
        delivery = await self._store.delivery(message_id)
        return delivery.links[index] if delivery and 0 <= index < len(delivery.links) else None

    async def _change(self, customer: str, work: Callable[[Workspace], T]) -> T:
        result = await self._store.transact(partition_of(customer, self._count), [customer], work)
        self._changed()
        return result

    def _take(self, space: Workspace, customer: str, body: ConsentBody, now: int) -> int:
        row = space.customer(customer)
        id = digest("desk", customer, str(now), str(len(row.repeats)), body.purpose, body.channel, body.state)
        number = take_consent(space, self._book, customer, id, body, now, _cause(space))
        crashpoints.reach("dispatch: opt-out")
        return number

    def _tell(self, space: Workspace, customer: str, change: str, **more: Any) -> None:
        now = self._clock.now()
        id = digest("preferences", customer, change, str(now), str(more))
        space.put(EVENTS, announce("Preferences Changed", id, customer, now, {"change": change, **more}), _cause(space))


def _sent(delivery: Delivery) -> SentMessage:
    message = delivery.message
    return SentMessage(
        message.message_id,
        delivery.decided_at,
        message.channel,
        message.rule,
        delivery.subject,
        message.because,
        message.because_at,
        message.uses,
    )


def _cause(space: Workspace) -> Cause:
    return Cause(max(0, space.cursor.offset - 1), True)
