"""What a run sees of the world while it is driven: its customer as of one instant, and a way to ask for things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tactful.customer import Customer, Profile
from tactful.durations import milliseconds
from tactful.errors import TactfulError
from tactful.identity import message_id
from tactful.journal import Kept, Notice
from tactful.localtime import zone_of
from tactful.operation import EndRun, Wish
from tactful.operations import CONTENT_BYTES
from tactful.projections import Projection
from tactful.records import DISPATCH, MessageBody, MessageRecord
from tactful_trigger.effects import Effects
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.replay import RuleFailed, Watch, fault_of, words_of
from tactful_trigger.state.row import Row, Run
from tactful_trigger.state.unread import Unread
from tactful_trigger.store import StepRequest


def view(row: Row, rule: str, book: Rulebook) -> Customer:
    """The customer as a rule may see them: reading a projection that `uses` does not name is an error."""
    uses = book.terms[rule].uses

    def read(projection: str) -> Any:
        if projection not in uses:
            raise TactfulError(f"rule {rule} reads {projection!r}, which its `uses` does not name; add it there")
        state = row.state(projection)
        if type(state) is Unread:
            raise RuleFailed(fault_of(book.projections[projection], state.error))
        return book.empty(projection) if state is None else state

    return Customer(row.id, read)


class Stage:
    """Implements `tactful_trigger.runs.replay.RunHost` for one wake-up of one run."""

    __slots__ = ("_book", "_effects", "_row", "_run", "_slow", "now", "watch")

    def __init__(
        self, row: Row, run: Run, now: int, book: Rulebook, effects: Effects, watch: Watch, slow: dict[str, int]
    ) -> None:
        self._row, self._run, self._book, self._effects, self._slow = row, run, book, effects, slow
        self.now, self.watch = now, watch

    @property
    def inbox(self) -> tuple[Kept, ...]:
        return self._run.inbox

    @property
    def zone(self) -> ZoneInfo:
        profile = self._row.state("profile")
        own = zone_of(profile.zone) if isinstance(profile, Profile) else None
        return own or self._book.settings.shop.zone

    def view(self) -> Customer:
        return view(self._row, self._run.rule, self._book)

    def state(self, projection: str) -> Any:
        return self.view().state(projection)

    def projection(self, name: str) -> Projection[Any]:
        known = self._book.projections.get(name)
        if known is None:
            raise TactfulError(f"there is no projection {name!r}; name it in `uses`")
        return known

    def may_send(self) -> None:
        run, terms = self._run, self._book.terms[self._run.rule]
        if run.reached or not terms.cooldown:
            return
        if self.now < self._row.cooling_until(run.rule, run.key, terms.cooldown) or self._row.asks_beside(run):
            raise EndRun("cooldown")

    def ask(self, send: Wish, data: Mapping[str, Any], not_before: int | None) -> str:
        run, terms = self._run, self._book.terms[self._run.rule]
        run.sends += 1
        run.asked_as = ""
        message = message_id(run.id, run.generation, run.sends)
        lasts = milliseconds(self._book.settings.sending.expires) if send.expires is None else send.expires
        body = MessageBody(
            message_id=message,
            run_id=run.id,
            customer=self._row.id,
            subject=run.subject,
            rule=run.rule,
            rule_version=run.version,
            run_key=run.key,
            channel=send.channel,
            template=send.template,
            variant=send.variant,
            purpose=terms.purpose,
            priority=terms.priority,
            data=dict(data),
            requested_at=self.now,
            not_before=not_before,
            expires_at=max(self.now, not_before or 0) + lasts,
            contact=run.contact,
            holdout=run.holdout,
            repeats_allowed=send.repeats_allowed,
            uses=self._book.uses[run.rule],
            because=run.first.name,
            because_at=run.first.occurred_at,
        )
        self._effects.put_here(DISPATCH, MessageRecord(id=message, key=self._row.id, at=self.now, body=body))
        told = {"message_id": message, "channel": send.channel, "template": send.template}
        self._effects.tell(self._row, self.now, "asked", run.rule, run.id, told)
        return message

    def step(self, name: str, function: str, arguments: Sequence[Any]) -> tuple[str, int]:
        run, given = self._run, _as_json(name, arguments)
        run.steps += 1
        self._effects.steps.append(StepRequest(self._row.id, run.id, run.steps, name, function, given))
        return run.id, run.steps

    def noticed(self, message_id: str) -> Notice | None:
        return self._run.notices.get(message_id) if self._run.notices else None

    def note(self, text: str) -> None:
        self._effects.tell(self._row, self.now, "note", self._run.rule, self._run.id, {"text": words_of(text)})

    def too_slow(self, rule: str) -> None:
        self._slow[rule] = self._slow.get(rule, 0) + 1


def _as_json(step: str, arguments: Sequence[Any]) -> list[Any]:
    """What the function will be given, whatever store keeps it meanwhile."""
    try:
        text = msgspec.json.encode(arguments)
        given: list[Any] = msgspec.json.decode(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise TactfulError(
            f"step {step}: its arguments must be JSON values ({error}); hand over ids, texts and numbers"
        ) from None
    if len(text) > CONTENT_BYTES:
        raise TactfulError(f"step {step}: its arguments have {len(text):,} bytes of {CONTENT_BYTES:,}; hand over ids")
    return given
