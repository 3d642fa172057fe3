"""A desk for tests: one customer's wishes in memory, and everything that was asked of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tactful.errors import StoreUnavailable
from tactful_dispatch.desk import ConsentState, CustomerCard


class FakeDesk:
    """Keeps one card, and lists each call that changed or reported something. `closed`: the store is away."""

    def __init__(self, card: CustomerCard, now: int) -> None:
        self.kept, self._now = card, now
        self.calls: list[tuple[object, ...]] = []
        self.targets: dict[tuple[str, int], str] = {}
        self.answers: dict[str, str] = {}  # message -> the first answer
        self.closed, self.knows_messages = False, True

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
        basis: str = "consent",
        via: str,
        wording: str = "",
        proof: dict[str, Any] | None = None,
    ) -> int:
        self._open()
        self.calls.append(("consent", customer, purpose, channel, state, basis, via, wording, proof))
        entry = len(self.kept.consents) + 1
        said = ConsentState(purpose, channel, state, entry, self._now, basis, wording, via)
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

    async def stop_all(self, customer: str, via: str) -> int:
        self._open()
        self.calls.append(("stop_all", customer, via))
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
