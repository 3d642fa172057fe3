"""One customer's story, gathered from both services for the console, the inbox and `explain`."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tactful.decisions import Reason
from tactful.log.partitioning import partition_of
from tactful_console.app import Stopped
from tactful_console.history import Consent, Held, HistoryRow, JournalEntry, Pending, TimelineInputs
from tactful_console.recorded import history_row
from tactful_dispatch.applying.announcing import shut_gate
from tactful_dispatch.facts import standing
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import ASKED, HELD, Delivery, latest_stop
from tactful_dispatch.store import DispatchStore
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.standstill import why_still
from tactful_trigger.state.row import Run, decode
from tactful_trigger.store import TriggerStore

LINES = 2000
SHOWN = 50  # customers that a search finds


class Story:
    """Implements `tactful_console.app.CustomerFacts`."""

    def __init__(
        self, trigger: TriggerStore, dispatch: DispatchStore, book: Rulebook, addresses: AddressBook, partitions: int
    ) -> None:
        self._trigger, self._dispatch, self._book, self._count = trigger, dispatch, book, partitions
        self._addresses = addresses

    async def timeline(self, customer: str) -> TimelineInputs:
        partition = partition_of(customer, self._count)
        lines = await self._trigger.history(customer, LINES + 1)
        rows = [history_row(h.customer, h.at, h.offset, h.index, h.kind, h.rule, h.run, h.data) for h in lines]
        if len(rows) > LINES:
            rows[0] = _cut(rows[1])
        runs, cursor = await self._runs(partition, customer), await self._trigger.cursor(partition)
        row = await self._dispatch.customer(partition, customer)
        recipient = row.recipient
        held = [delivery for delivery in row.deliveries.values() if delivery.state in (HELD, ASKED)]
        kept = {delivery.message.run_id for delivery in held}
        paused = cursor.paused if cursor else ()
        return TimelineInputs(
            customer=customer,
            first_name=(recipient.first_name or "") if recipient else "",
            zone=(recipient.zone or "") if recipient else "",
            rows=rows,
            pending=[
                _pending(run, still)
                for run in runs
                if (still := why_still(run, self._book, paused)) or run.parked or run.id not in kept
            ],
            held=[_held(delivery) for delivery in held],
            consents=[
                Consent(w.purpose, w.channel, w.state, w.entry, w.at, w.basis, w.wording, w.via, w.once)
                for w in standing(row.words)
            ],
            journals={
                run.id: [JournalEntry(done.shape, done.at, msgspec.json.decode(done.value)) for done in run.journal]
                for run in runs
            },
        )

    async def stopped(self) -> Stopped | None:
        latest = latest_stop([await self._dispatch.cursor(partition) for partition in range(self._count)])
        return Stopped(latest.stopped, latest.stopped_why, latest.stopped_at) if latest.stopped else None

    async def search(self, text: str) -> list[str]:
        if not text:
            return await self._trigger.active(SHOWN)
        written_to = await self._dispatch.address(self._addresses.key("email" if "@" in text else "sms", text))
        named = await self._trigger.customers(text, SHOWN)
        return list(dict.fromkeys((*reversed(written_to.customers), *named)))[:SHOWN]

    async def _runs(self, partition: int, customer: str) -> list[Run]:
        stored = await self._trigger.load(partition, [customer])
        return decode(customer, stored[customer], self._book.projections).runs if customer in stored else []


def _cut(first: HistoryRow) -> HistoryRow:
    """What stands before the first line that is shown."""
    told = {"text": f"the story shows the latest {LINES:,} lines; `tactful customer export` has what was before"}
    return replace(first, offset=-1, kind="note", rule="", run="", data=told)


def _pending(run: Run, still: str) -> Pending:
    wait, due = run.wait, run.due
    if wait is None:
        what = text = "what comes next"
    else:
        what, text = wait.op, wait.words
        if due == run.deadline and wait.due is None:
            text += ", at most"
    if still:
        text += f"; stands still: {still}"
    return Pending(due, run.rule, run.id, what, text, parked=bool(run.parked))


def _held(delivery: Delivery) -> Held:
    shut, message = shut_gate(delivery.gates), delivery.message
    facts = dict(shut.facts) if shut else {}
    if delivery.held_for == Reason.PROVIDER and shut is None:  # every gate was open, and then the provider spoke
        facts = {"provider": delivery.provider, "detail": delivery.provider_detail}
    return Held(
        message.message_id,
        message.rule,
        message.channel,
        delivery.held_for,
        delivery.held_until,
        facts,
        message.expires_at,
    )
