"""A desk for tests: one customer's wishes in memory, and everything that was asked of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tactful.decisions import GateRecord, GateVerdict
from tactful.errors import InvalidInput, StoreUnavailable
from tactful_dispatch.desk import Basket, CustomerCard
from tactful_dispatch.desk.personal import Farewell
from tactful_dispatch.facts import Word
from tactful_dispatch.state.rows import AddressKey


class FakeDesk:
    """Keeps one card, and lists each call that changed or reported something. `closed`: the store is away."""

    def __init__(self, card: CustomerCard, now: int) -> None:
        self.kept, self._now = card, now
        self.calls: list[tuple[object, ...]] = []
        self.targets: dict[tuple[str, int], str] = {}
        self.answers: dict[str, str] = {}  # message -> the first answer
        self.closed, self.knows_messages = False, True
        self.about: tuple[str, ...] = ()
        self.contents: Basket | None = None
        self.offer: tuple[str, str] | None = None
        self.former_channel: str | None = None

    async def card(self, customer: str) -> CustomerCard:
        self._open()
        return self.kept

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
        self._open()
        self.calls.append(("consent", customer, purpose, channel, state, via, wording, proof))
        entry = len(self.kept.consents) + 1
        said = Word(purpose, channel, state, self._now, entry, "consent", wording, via)
        self.kept = replace(self.kept, consents=(*self.kept.consents, said))
        return entry

    async def mute(self, customer: str, rule: str, muted: bool) -> None:
        self._open()
        self.calls.append(("mute", customer, rule, muted))
        others = tuple(name for name in self.kept.muted_rules if name != rule)
        self.kept = replace(self.kept, muted_rules=(*others, rule) if muted else others)

    async def pause(self, customer: str, until: int) -> None:
        self._open()
        self.calls.append(("pause", customer, until))
        self.kept = replace(self.kept, paused_until=until)

    async def mute_topic(self, customer: str, topic: str, muted: bool) -> None:
        self._open()
        self.calls.append(("mute_topic", customer, topic, muted))
        others = tuple(name for name in self.kept.muted_topics if name != topic)
        self.kept = replace(self.kept, muted_topics=(*others, topic) if muted else others)

    async def prefer(self, customer: str, preference: str, value: str) -> None:
        self._open()
        self.calls.append(("prefer", customer, preference, value))
        wanted: Any = int(value) if preference == "at_most_days" else value
        self.kept = replace(self.kept, **{preference: wanted})

    async def topics(self, message_id: str) -> tuple[str, ...]:
        self._open()
        return self.about

    async def basket(self, message_id: str) -> Basket | None:
        self._open()
        return self.contents

    async def offered(self, message_id: str) -> tuple[str, str] | None:
        self._open()
        return self.offer

    async def former(
        self, customer: str, message_id: str, who: str = "", sent_to: AddressKey | None = None
    ) -> str | None:
        self._open()
        return self.former_channel

    async def check(self, customer: str, channel: str, purpose: str, rule: str = "") -> list[GateRecord]:
        self._open()
        self.calls.append(("check", customer, channel, purpose, rule))
        return [GateRecord("consent", GateVerdict.OPEN)]

    async def stop_all(
        self, customer: str, via: str, proof: dict[str, Any] | None = None, sent_to: AddressKey | None = None
    ) -> int:
        self._open()
        self.calls.append(("stop_all", customer, via, proof))
        self.kept = replace(self.kept, stopped=True)
        return 1

    async def receipt(self, message_id: str, name: str, detail: dict[str, Any]) -> bool:
        self._open()
        if self.knows_messages:
            self.calls.append(("receipt", message_id, name, detail))
        return self.knows_messages

    async def answer(self, message_id: str, answer: str, text: str = "") -> str:
        self._open()
        self.calls.append(("answer", message_id, answer, text))
        return self.answers.setdefault(message_id, answer)

    async def click_target(self, message_id: str, index: int) -> str | None:
        self._open()
        return self.targets.get((message_id, index))

    def _open(self) -> None:
        if self.closed:
            raise StoreUnavailable("the store is away")


class FakePersonal:
    """Everything about everybody is one line; who was erased has none."""

    def __init__(self) -> None:
        self.erased: list[tuple[str, str]] = []

    async def who(self, customer: str) -> str:
        return customer

    async def export(self, customer: str) -> bytes:
        if any(customer == gone for gone, _ in self.erased):
            raise InvalidInput("erased", f"{customer} was erased; nothing is kept")
        return b'{"customer": "%b"}' % customer.encode()

    async def erase(self, customer: str, via: str, alone: bool = False) -> Farewell:
        self.erased.append((customer, via))
        return Farewell(1_795_000_000_000, 1_797_592_000_000)
