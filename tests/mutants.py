"""Plants faults one by one and fails if the suite lets one live: `make mutants`.

Each fault is a change of text in a copy of the tree, and the tests that ought to notice. A text that is no longer found
fails too: the fault must be planted anew where the code went.

Not here, since nothing can tell the difference: taking an answer to an attempt that was given up. What time gives up is
decided and leaves the customer's row with the same transaction, and the answer of an earlier owner is fenced.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "shared",
    *(f"services/{name}" for name in ("ingest", "trigger", "dispatch", "console", "workbench")),
)
TRIGGER, DISPATCH = "services/trigger/tactful_trigger", "services/dispatch/tactful_dispatch"
LIMIT = "timeout=20"  # seconds a test: some faults go round for ever
RULES = ("tests/trigger/test_operations.py", "tests/trigger/test_terms.py")
SLICES = ("tests/trigger/test_slice_records.py", "tests/trigger/test_slices.py")
AHEAD = ("tests/trigger/test_ahead.py",)
REPLAY = ("tests/trigger/test_replay.py",)
SENDING = tuple(
    f"tests/dispatch/test_{name}.py"
    for name in ("dispatching", "holds", "consents", "attempts", "reading_dispatch", "reception", "gates", "how_often")
)
STORES = ("tests/contract",)
RACES = ("tests/adversary",)
LEASES = ("tests/contract/test_leases.py",)
RESTORED = ("tests/dispatch/test_restoring.py",)
CLOCKS = ("tests/trigger/test_live_trigger.py",)
STILL = ("tests/trigger/test_standing_still.py",)
PEOPLE = ("tests/trigger/test_joining.py", "tests/dispatch/test_inheriting.py", "tests/trigger/test_slices.py")
PATIENCE = 200  # seconds a fault: then it counts as alive
ALL = 1800  # and for the tests of all faults together


class Fault(NamedTuple):
    """What goes wrong, and where it is planted."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        "a run of a paused rule goes on with an answer",
        f"{TRIGGER}/runs/life.py",
        "        if not self._stands_still(run):\n            self._drive",
        "        if not why_still(run, self._book):\n            self._drive",
        STILL,
    ),
    Fault(
        "a customer one of whose rules is paused is not looked for beyond the horizon",
        f"{TRIGGER}/state/timers.py",
        "((due, row.id) < self.horizon or row.held)",
        "(due, row.id) < self.horizon",
        STILL,
    ),
    Fault(
        "nobody looks for whoever goes on when a source has told",
        f"{TRIGGER}/applying/slice.py",
        "self._runs.feeds_arrived(row, at)\n            self._partition.timers.watch(row)\n",
        "self._runs.feeds_arrived(row, at)\n",
        ("tests/trigger/test_commanding.py",),
    ),
    Fault(
        "a wish does not bind what waits under an earlier name",
        f"{DISPATCH}/desk/reception.py",
        "        tell_other_names(space, customer, now)\n",
        "",
        ("tests/dispatch/test_inheriting.py",),
    ),
    Fault(
        "wishes of before a merge do not bind what waits under the other name",
        f"{DISPATCH}/applying/inheriting.py",
        "    tell_other_names(space, record.key, at)\n\n\ndef pass_on",
        "\n\ndef pass_on",
        ("tests/dispatch/test_inheriting.py",),
    ),
    Fault(
        "a visitor's letter goes along with the device",
        f"{DISPATCH}/applying/inheriting.py",
        'row.device_of = "" if other == row.linked_to else other',
        "row.linked_to = other",
        ("tests/dispatch/test_inheriting.py",),
    ),
    Fault(
        "what is sent under an earlier name counts there alone",
        f"{DISPATCH}/applying/deciding.py",
        "        tell_other_names(space, delivery.message.customer, now)\n",
        "        pass\n",
        ("tests/dispatch/test_inheriting.py",),
    ),
    Fault(
        "what an earlier name tells goes no further",
        f"{DISPATCH}/applying/binding.py",
        "        tell_other_names(space, record.key, at)\n",
        "        pass\n",
        ("tests/dispatch/test_inheriting.py",),
    ),
    Fault(
        "whoever stands still hides who comes up sooner",
        f"{TRIGGER}/worker.py",
        "if near is not None and near < horizon:",
        "if near is not None:",
        STILL,
    ),
    Fault(
        "what was told to a run that stands still is forgotten by a restart",
        f"{TRIGGER}/runs/feeds.py",
        "            run.wait.due, run.deadline = due, deadline\n            self._effects.dirty[row.id] = row\n",
        "            run.wait.due, run.deadline = due, deadline\n",
        ("tests/trigger/test_commanding.py", "tests/trigger/test_slices.py"),
    ),
    Fault(
        "whoever heard from a rule is enrolled for the same thing again",
        f"{TRIGGER}/runs/life.py",
        "mark.at >= seen.record.body.occurred_at",
        "mark.at < 0",
        ("tests/trigger/test_commanding.py",),
    ),
    Fault(
        "a hold of a paused rule is told to open",
        f"{TRIGGER}/runs/life.py",
        "        elif self._stands_still(run):\n",
        "        elif why_still(run, self._book):\n",
        STILL,
    ),
    Fault(
        "what a run was told while it stood still is dated back to its beginning",
        f"{TRIGGER}/state/row.py",
        "self.journal[-1].at if self.journal else self.started",
        "self.started",
        STILL,
    ),
    Fault(
        "a row that is written after its customer was erased in the same slice is deleted with the old one",
        f"{TRIGGER}/store/sqlite.py",
        "_write(db, result)\n",
        "_write(db, result)\n            _bury(db, result)\n",
        STORES,
    ),
    Fault(
        "an erasure after a return in the same slice is undone by the return",
        f"{TRIGGER}/effects.py",
        "        self.revived = [grave for grave in self.revived if grave != erased.grave]\n",
        "",
        ("tests/trigger/test_erasing.py",),
    ),
    Fault(
        "after a restore dispatch counts on from where the back-up stood",
        f"{DISPATCH}/restoring.py",
        "    space.go_on_after(sequences)",
        "    pass",
        RESTORED,
    ),
    Fault(
        "what was sent since the back-up leaves again",
        f"{DISPATCH}/applying/recalling.py",
        'if name == "Message Decided":',
        "if False:",
        RESTORED,
    ),
    Fault(
        "what a stop has kept is let go of all at once",
        f"{DISPATCH}/applying/deciding.py",
        'return cursor.resumed_at + int(fraction("resume", delivery.name) * min(cursor.over, left // 2))',
        "return cursor.resumed_at",
        SENDING,
    ),
    Fault(
        "leases are counted by each owner's clock",
        f"{TRIGGER}/worker.py",
        "lease_time or OwnTime(clock), lease)",
        "OwnTime(clock), lease)",
        LEASES,
    ),
    Fault(
        "whoever's clock is behind the log keeps its partitions",
        "shared/tactful/partitions/clockcheck.py",
        "if appended > now + APART:",
        "if False:",
        CLOCKS,
    ),
    Fault(
        "whoever's clock is ahead of the log keeps its partitions",
        "shared/tactful/partitions/clockcheck.py",
        "if now > appended + APART:",
        "if False:",
        CLOCKS,
    ),
    Fault(
        "what is computed ahead asks the store for what it has not been told yet",
        f"{TRIGGER}/worker.py",
        "if ahead is not None and (people or slice_[-1].appended >= held.timers.horizon[0]):",
        "if ahead is not None and False:",
        AHEAD,
    ),
    Fault(
        "what stands on a slice that did not commit is kept",
        f"{TRIGGER}/worker.py",
        "            held.back_to(await ahead.standing())\n            if would_meet_all(error):",
        "            if would_meet_all(error):",
        AHEAD,
    ),
    Fault(
        "a slice that was written is forgotten with the next one",
        f"{TRIGGER}/ahead.py",
        "self._committed = self._computed\n            self._writing",
        "self._writing",
        AHEAD,
    ),
    Fault("no deduplication", f"{TRIGGER}/applying/event.py", "if row.has_seen(id):", "if False:", (*REPLAY, *SLICES)),
    Fault(
        "no superseded",
        f"{TRIGGER}/runs/starting.py",
        "if terms.key is None and goals and _superseded(",
        "if False and _superseded(",
        RULES,
    ),
    Fault(
        "an event before its link",
        "services/ingest/tactful_ingest/placement.py",
        "        await self._append(EVENTS, _with_links(events, links))\n        await self._append(EVENTS, [event for event in events if event.body.user_id])\n",
        "        await self._append(EVENTS, [event for event in events if event.body.user_id])\n        await self._append(EVENTS, _with_links(events, links))\n",
        ("tests/ingest/test_links.py",),
    ),
    Fault(
        "a timer at the event's own instant",
        f"{TRIGGER}/applying/slice.py",
        "if type(record) is TickRecord else stored.appended\n",
        "if type(record) is TickRecord else stored.appended + 1\n",
        (*RULES, *SLICES),
    ),
    Fault(
        "a record applied before all that is due ahead of it",
        f"{TRIGGER}/applying/slice.py",
        'if timers.nearest < limit or timers.horizon < (limit, ""):',
        "if timers.nearest < limit:",
        (*AHEAD, *SLICES),
    ),
    Fault(
        "timers alone written again where nobody knows whether they were",
        f"{TRIGGER}/worker.py",
        "if result.cursor.offset > result.before:",
        "if True:",
        AHEAD,
    ),
    Fault(
        "no timers before a record",
        f"{TRIGGER}/applying/slice.py",
        "if (timers.nearest < limit or horizon < limit) and",
        "if False and",
        RULES,
    ),
    Fault(
        "a repeat from an outbox taken again",
        "shared/tactful/partitions/outbox.py",
        "if origin.seq <= last:",
        "if False:",
        SLICES,
    ),
    Fault(
        "a gap in an outbox ignored",
        "shared/tactful/partitions/outbox.py",
        "if origin.seq != last + 1:",
        "if False:",
        SLICES,
    ),
    Fault(
        "another epoch may commit",
        f"{TRIGGER}/store/sqlite.py",
        "WHERE partition = ? AND epoch = ? AND next_offset = ?",
        "WHERE partition = ? AND ? AND next_offset = ?",
        STORES,
    ),
    Fault(
        "another offset may be committed",
        f"{TRIGGER}/store/memory.py",
        "or cursors.decode(held.cursor).offset != result.before",
        "",
        STORES,
    ),
    Fault(
        "cooldown not looked at before the first send",
        f"{TRIGGER}/runs/stage.py",
        "if self.now < self._row.cooling_until(run.rule, run.key, terms.cooldown) or",
        "if",
        RULES,
    ),
    Fault(
        "held out does not count as sent", f"{TRIGGER}/applying/contacts.py", 'and word.reason != "holdout"', "", RULES
    ),
    Fault(
        "a run that reached nobody cools down",
        f"{TRIGGER}/applying/contacts.py",
        'if word.verdict not in ("sent", "unknown")',
        'if word.verdict not in ("sent", "unknown", "not_sent")',
        RULES,
    ),
    Fault(
        "a goal does not cancel what is held",
        f"{TRIGGER}/runs/life.py",
        'self._cancel(run.asked_as or row.id, run.message, "cancelled", why, at)',
        "pass",
        RULES,
    ),
    Fault(
        "an order is news each night that it is told",
        f"{TRIGGER}/applying/event.py",
        "if _is_told_again(row, seen):",
        "if False:",
        ("tests/trigger/test_abandoned_cart.py",),
    ),
    Fault("history starts runs", f"{TRIGGER}/applying/event.py", "if seen.record.body.history:", "if False:", RULES),
    Fault("an unknown outcome climbs to SMS", "shared/tactful/ladder.py", "if loud and doubtful:", "if False:", RULES),
    Fault("SMS comes at once", "shared/tactful/ladder.py", "if loud else None", "if False else None", RULES),
    Fault(
        "patience counts from the request",
        "shared/tactful/operations.py",
        "due = max(self._answer.at + self._within, host.now)",
        "due = host.now + self._within",
        RULES,
    ),
    Fault(
        "data is not fresh at the confirmation",
        f"{DISPATCH}/applying/slice.py",
        "msgspec.structs.replace(delivery.message, data=body.data)",
        "delivery.message",
        SENDING,
    ),
    Fault(
        "an inbox that wait_for forgets",
        "shared/tactful/operations.py",
        "for place, kept in enumerate(host.inbox, 1):",
        "for place, kept in ():",
        RULES,
    ),
    Fault(
        "a wait leaves in the inbox what it took from it",
        f"{TRIGGER}/runs/replay.py",
        "run.inbox = run.inbox[begun.used :]",
        "pass",
        RULES,
    ),
    Fault(
        "a source ends the wait after the one that it held up",
        f"{TRIGGER}/runs/life.py",
        "        self._feeds.forget(row, run)\n        if run.parked:",
        "        if run.parked:",
        ("tests/trigger/test_commanding.py",),
    ),
    Fault(
        "a goal of a rule that is not installed is ignored",
        f"{TRIGGER}/applying/event.py",
        "        if seen.name in self._runs.ends_of_absent:",
        "        if False:",
        STILL,
    ),
    Fault(
        "what a run failed at is not shown to it again",
        f"{TRIGGER}/runs/life.py",
        "        if not (still := self._stands_still(run)):\n            self._make_up(row, run, at)\n",
        "        still = self._stands_still(run)\n",
        ("tests/trigger/test_failing.py",),
    ),
    Fault("an end of waiting keeps the inbox", f"{TRIGGER}/runs/life.py", "run.inbox = ()", "pass", RULES),
    Fault(
        "the version in the run's name",
        "shared/tactful/identity.py",
        'digest("run", rule, subject',
        'digest("run", rule, str(__import__("sys").getrefcount(rule)), subject',
        (*REPLAY, "tests/shared/test_identity.py"),
    ),
    Fault(
        "shapes of a journal not compared",
        f"{TRIGGER}/runs/replay.py",
        "if entry.shape != operation.shape:",
        "if False:",
        REPLAY,
    ),
    Fault(
        "notes left again at every replay",
        f"{TRIGGER}/runs/replay.py",
        "if self._index >= self._fresh:",
        "if True:",
        RULES,
    ),
    Fault(
        "a full journal goes on",
        f"{TRIGGER}/runs/replay.py",
        "return self._index > JOURNAL_ENTRIES or",
        "return False and",
        REPLAY,
    ),
    Fault(
        "memory kept after a slice that failed",
        f"{TRIGGER}/worker.py",
        "            held.back_to(before)\n            if would_meet_all(error):",
        "            if would_meet_all(error):",
        (*SLICES, *REPLAY),
    ),
    Fault(
        "settings of the day instead of the run's",
        f"{TRIGGER}/runs/replay.py",
        "run.parameters or _NO_PARAMETERS",
        'run.parameters or {"delay": "10m"}',
        SLICES,
    ),
    Fault(
        "poison stops everything",
        f"{TRIGGER}/worker.py",
        "            await self._one_by_one(held, records)\n",
        "            raise\n",
        SLICES,
    ),
    Fault(
        "a flood of poison drains into quarantine",
        f"{TRIGGER}/worker.py",
        "if held.cursor.poison >= FLOOD:",
        "if False:",
        SLICES,
    ),
    Fault("a held run blocks the others", f"{TRIGGER}/state/row.py", " if run.id not in self.held", "", SLICES),
    Fault(
        "what is said of a visitor is the customer's own word",
        f"{TRIGGER}/applying/joining.py",
        "body = msgspec.structs.replace(body, scope=VISITOR)",
        "pass",
        PEOPLE,
    ),
    Fault(
        "browser addresses are told",
        f"{TRIGGER}/projections/profile.py",
        "given in _CLAIMS.get(scope, ())",
        "False",
        ("tests/trigger/test_slice_records.py", "tests/trigger/test_projection_profile.py"),
    ),
    Fault(
        "a hold opens without asking",
        f"{DISPATCH}/applying/deciding.py",
        "delivery.state, delivery.due = ASKED, delivery.message.expires_at",
        "delivery.state, delivery.due = PENDING, None",
        SENDING,
    ),
    Fault(
        "a cancellation is ignored",
        f"{DISPATCH}/applying/deciding.py",
        "if delivery.state not in WAITING:",
        "if True:",
        SENDING,
    ),
    Fault(
        "an early cancellation is forgotten",
        f"{DISPATCH}/applying/slice.py",
        'cancelled=row.cancelled.pop(name, "")',
        'cancelled=""',
        SENDING,
    ),
    Fault(
        "an unknown outcome is sent again",
        f"{DISPATCH}/sending/outcomes.py",
        "return (honours or delivery.message.repeats_allowed) and delivery.attempts < TRIES",
        "return delivery.attempts < TRIES",
        SENDING,
    ),
    Fault("consent not asked for", f"{DISPATCH}/gates/__init__.py", "    person.consent,\n", "", SENDING),
    Fault(
        "a withdrawal on one channel alone",
        f"{DISPATCH}/gates/person.py",
        "facts.now - anywhere.at < SILENCE",
        "False",
        SENDING,
    ),
    Fault(
        "a ladder counts each rung",
        f"{DISPATCH}/gates/budget.py",
        "for c in history if c.contact != mine",
        "for c in history",
        ("tests/dispatch/test_how_often.py", *SENDING),
    ),
    Fault(
        "quiet hours in UTC",
        f"{DISPATCH}/hours.py",
        "return all(window.holds(local_time(now, zone)) for zone in zones)",
        'return all(window.holds(local_time(now, ZoneInfo("UTC"))) for zone in zones)',
        ("tests/dispatch/test_hours.py", *SENDING),
    ),
    Fault(
        "budget before quiet hours",
        f"{DISPATCH}/gates/__init__.py",
        "    tact.quiet_hours,\n    budget,\n",
        "    budget,\n    tact.quiet_hours,\n",
        ("tests/dispatch/test_gates.py",),
    ),
    Fault(
        "an opt-out does not bind the address",
        f"{DISPATCH}/applying/consenting.py",
        "        _bind_addresses(space, book, row, body)\n",
        "",
        ("tests/dispatch/test_consents.py", *SENDING),
    ),
    Fault(
        "a list of a sender before takes back what was allowed since it was brought",
        f"{DISPATCH}/applying/suppressing.py",
        "    if address.is_listed(body.reason, body.source, body.said_at):\n        return\n",
        "",
        ("tests/dispatch/test_suppressing.py",),
    ),
    Fault(
        "who unsubscribed at a sender before is bound in the ledger alone",
        f"{DISPATCH}/state/rows.py",
        "        latest = max(self.withdrawn.get(MARKETING, 0), self.left_at)",
        "        latest = self.withdrawn.get(MARKETING, 0)",
        ("tests/dispatch/test_suppressing.py",),
    ),
    Fault(
        "to take a list back undoes what the customer has said themselves",
        f"{DISPATCH}/applying/consenting.py",
        "if (word.basis, word.via, word.channel) != _said_by_list(body)]",
        "if word.channel != body.channel]",
        ("tests/dispatch/test_suppressing.py",),
    ),
    Fault(
        "a provider that does not answer is asked on and on",
        f"{DISPATCH}/sending/providers.py",
        "if times >= IN_A_ROW and now >= until:",
        "if False:",
        ("tests/dispatch/test_providers.py",),
    ),
    Fault(
        "bytes that leave too late",
        f"{DISPATCH}/sending/attempt.py",
        "if opening <= 0:",
        "if False:",
        SENDING,
    ),
    Fault(
        "a slow start and five seconds more",
        f"{DISPATCH}/sending/attempt.py",
        "await adapter.send(envelope, opening)",
        "await adapter.send(envelope)",
        SENDING,
    ),
    Fault(
        "one who cannot be stored keeps the others waiting",
        f"{DISPATCH}/sending/attempt.py",
        "            if len(customers) == 1:\n                raise\n",
        "            raise\n",
        ("tests/dispatch/test_live_dispatch.py",),
    ),
    Fault(
        "an answer that could not be recorded is forgotten",
        f"{DISPATCH}/sending/attempt.py",
        "                failed = failed or error\n                continue\n",
        "                failed = failed or error\n",
        ("tests/dispatch/test_live_dispatch.py",),
    ),
    Fault(
        "what a stop kept leaves all at once",
        f"{DISPATCH}/applying/deciding.py",
        "return cursor.resumed_at + int(",
        "return 0 * int(",
        SENDING,
    ),
    Fault(
        "a foreign record stays where it is",
        f"{TRIGGER}/applying/slice.py",
        "if stored.foreign and self._goes_elsewhere(record):",
        "if False:",
        SLICES,
    ),
    Fault(
        "a gap counts from the earliest message",
        f"{DISPATCH}/gates/tact.py",
        "last = max((c for c in others",
        "last = min((c for c in others",
        SENDING,
    ),
    Fault(
        "a yes said again does not count against what somebody else withdrew at the address",
        f"{DISPATCH}/applying/consenting.py",
        " and not _is_overruled(space, book, row, last)",
        "",
        SENDING,
    ),
    Fault(
        "whoever begins anew stays erased while others are",
        f"{DISPATCH}/applying/forgetting.py",
        "    space.revive(grave)\n",
        "",
        ("tests/dispatch/test_forgetting.py",),
    ),
    Fault(
        "what trigger has asked counts as said by dispatch",
        f"{DISPATCH}/restoring.py",
        " or origin.topic != DISPATCH",
        "",
        RESTORED,
    ),
    Fault("a log that nobody reads", f"{DISPATCH}/gates/standing.py", "if behind > FRESH:", "if False:", SENDING),
    Fault(
        "a forged ledger verifies",
        f"{DISPATCH}/state/ledger.py",
        "fits = link.number == number and",
        "fits = True or",
        SENDING,
    ),
    Fault(
        "consent recorded twice",
        f"{DISPATCH}/applying/consenting.py",
        "    if repeat in row.repeats:",
        "    if False:",
        ("tests/dispatch/test_consents.py", *SENDING),
    ),
    Fault(
        "a get made again at every replay",
        f"{TRIGGER}/runs/replay.py",
        "value = operation.revive(entry.value)",
        'value = operation.revive(operation.begin(self.host).value if operation.op == "get" else entry.value)',
        (*REPLAY, *RULES),
    ),
    Fault(
        "a live tick that closes its instant",
        "shared/tactful/partitions/ticking.py",
        "body=TickBody()",
        "body=TickBody(closes=now)",
        ("tests/trigger/test_live_trigger.py",),
    ),
    Fault(
        "timers beyond the horizon forgotten",
        f"{TRIGGER}/worker.py",
        "await self._look_ahead(held, slice_[-1].appended + 1)",
        "await self._look_ahead(held, 1)",
        ("tests/trigger/test_slice_records.py",),
    ),
    Fault(
        "an outbox forgotten before it is appended",
        "shared/tactful/partitions/outbox.py",
        '        await append_rows(log, rows)\n        crashpoints.reach("relay: appended")\n        await store.forget(rows)\n',
        "        await store.forget(rows)\n        await append_rows(log, rows)\n",
        RACES,
    ),
    Fault(
        "another epoch may send",
        f"{DISPATCH}/store/__init__.py",
        "epoch != self.epoch or self.offset not in",
        "self.offset not in",
        STORES,
    ),
    Fault(
        "gates not asked at the step to sending",
        f"{DISPATCH}/sending/attempt.py",
        "gates = judge(delivery.message, facts)",
        "gates = [] if written.rendered else judge(delivery.message, facts)",
        ("tests/dispatch/test_dispatching.py",),
    ),
    Fault(
        "sending not committed before the first byte",
        f"{DISPATCH}/sending/attempt.py",
        "delivery.state, delivery.attempts, delivery.provider = SENDING,",
        "delivery.state, delivery.attempts, delivery.provider = PENDING,",
        SENDING,
    ),
    Fault(
        "what is found in sending is sent again",
        f"{DISPATCH}/sending/attempt.py",
        'self._record(space, delivery, Unknown("the sender stopped while sending"))',
        "outcomes.take_back(space, delivery)",
        ("tests/dispatch/test_attempts.py",),
    ),
    Fault(
        "a stale confirmation opens a later hold",
        f"{DISPATCH}/applying/deciding.py",
        "if delivery.state != ASKED or delivery.hold != number:",
        "if delivery.state != ASKED:",
        SENDING,
    ),
    Fault(
        "an opt-out waits until the hold opens",
        f"{DISPATCH}/applying/consenting.py",
        "        row.look_again()\n",
        "",
        SENDING,
    ),
    Fault(
        "what comes after the link stays with the stranger",
        f"{TRIGGER}/applying/slice.py",
        "if row is not None and row.linked_to:",
        "if False:",
        PEOPLE,
    ),
    Fault(
        "people who share a device are merged",
        f"{TRIGGER}/applying/joining.py",
        "if is_anonymous(row.id):  # another person",
        "if False:  # another person",
        PEOPLE,
    ),
    Fault(
        "the smaller id ends",
        f"{TRIGGER}/applying/joining.py",
        "elif body.customer < key:",
        "elif body.customer > key:",
        PEOPLE,
    ),
    Fault(
        "an adopted run has not seen what the customer did",
        f"{TRIGGER}/applying/joining.py",
        "past = tuple(self._past(row, run))",
        "past: tuple[Seen, ...] = ()",
        PEOPLE,
    ),
    Fault(
        "an adopted run is not measured against earlier goals",
        f"{TRIGGER}/applying/joining.py",
        "if cancelled or self._runs.is_settled(run, row.goals):",
        "if cancelled:",
        (*PEOPLE, *RACES),
    ),
    Fault(
        "both runs for one thing live on",
        f"{TRIGGER}/applying/joining.py",
        "        if rival is not None:",
        "        if False:",
        PEOPLE,
    ),
    Fault(
        "cooldowns do not travel",
        f"{TRIGGER}/applying/joining.py",
        "row.marks = _joined_marks(",
        "_joined_marks(",
        PEOPLE,
    ),
    Fault(
        "seen ids do not travel",
        f"{TRIGGER}/applying/joining.py",
        "        row.remember_all(theirs.trail)\n",
        "",
        PEOPLE,
    ),
    Fault(
        "a cancellation goes to the new name",
        f"{TRIGGER}/runs/life.py",
        'self._cancel(run.asked_as or row.id, run.message, "cancelled", why, at)',
        'self._cancel(row.id, run.message, "cancelled", why, at)',
        PEOPLE,
    ),
    Fault(
        "a forwarded event does not know when it was first appended",
        f"{TRIGGER}/happening.py",
        "min(at, record.at) if is_forwarded(record)",
        "at if is_forwarded(record)",
        PEOPLE,
    ),
    Fault(
        "a stranger's grant undoes a withdrawal",
        f"{DISPATCH}/facts.py",
        'and word.state == "granted" and _contradicts(withdrawn, word)',
        "and False",
        PEOPLE,
    ),
    Fault(
        "words said under an old name stay there",
        f"{DISPATCH}/applying/slice.py",
        "if not pass_on(self._space, record, at):",
        "if True:",
        PEOPLE,
    ),
    Fault(
        "more than a fair share is kept",
        "shared/tactful/partitions/leases.py",
        "fair = -(-self._count // max(1, alive))",
        "fair = self._count",
        LEASES,
    ),
    Fault(
        "a lease of another epoch is renewed",
        "shared/tactful/partitions/memory.py",
        "for partition, epoch in epochs.items() if self._at(partition).epoch == epoch)",
        "for partition, epoch in epochs.items())",
        LEASES,
    ),
    Fault(
        "time goes back with a broker's clock",
        "shared/tactful/log/__init__.py",
        "        if stored.appended < clock:",
        "        if False:",
        (*SLICES, "tests/shared/test_rising.py"),
    ),
    Fault(
        "an answer whose recording failed is forgotten",
        f"{DISPATCH}/sending/attempt.py",
        "known = self._known.get((delivery.name, delivery.attempts))",
        "known = None",
        SENDING,
    ),
    Fault(
        "messages leave while an opt-out lies unread behind them",
        f"{DISPATCH}/live.py",
        "while self._worker.is_behind(partition, end) and",
        "while False and",
        ("tests/dispatch/test_live_dispatch.py",),
    ),
    Fault(
        "what another owner may have sent is sent again",
        f"{DISPATCH}/sending/attempt.py",
        "if known.epoch != space.cursor.epoch:",
        "if False:",
        SENDING,
    ),
    Fault(
        "what is known of an attempt waits until it is cancelled or its time is up",
        f"{DISPATCH}/worker.py",
        "            self._attempts.record_known(customers, space)\n",
        "",
        SENDING,
    ),
    Fault(
        "a store restored from the past goes on",
        f"{DISPATCH}/worker.py",
        "        if read > at:",
        "        if False:",
        ("tests/dispatch/test_live_dispatch.py",),
    ),
    Fault(
        "who has a run is not looked for when an unnamed event comes",
        f"{TRIGGER}/applying/slice.py",
        "or key in busy)",
        "or False)",
        (*SLICES, *RULES),
    ),
    Fault(
        "what fell due while its rule was paused is let go from memory",
        f"{TRIGGER}/partition.py",
        "(row.held or name in near)",
        "name in near",
        SLICES,
    ),
    Fault(
        "somebody whose time is near is let go from memory",
        f"{TRIGGER}/partition.py",
        "(row.held or name in near)",
        "row.held",
        SLICES,
    ),
    Fault(
        "an order long after a message counts for it",
        f"{TRIGGER}/applying/contacts.py",
        "or not 0 <= happened - mark.at <= within",
        "or False",
        ("tests/trigger/test_tally.py",),
    ),
    Fault(
        "a reminder that was put off comes when it would have come anyway",
        f"{TRIGGER}/rules/missed_order.py",
        "    if wished is not None:",
        "    if False:",
        ("tests/trigger/test_missed_order.py",),
    ),
    Fault(
        "the latest answer to a message stands rather than the first",
        f"{TRIGGER}/projections/engagement.py",
        "min(answers, default",
        "max(answers, default",
        ("tests/trigger/test_projection_engagement.py",),
    ),
    Fault(
        "whoever shares an address reads the other's name",
        f"{DISPATCH}/sending/attempt.py",
        "if facts.address_shared and not delivery.shared:",
        "if False:",
        ("tests/dispatch/test_shared_addresses.py",),
    ),
    Fault(
        "how often somebody wants to hear from us is forgotten with their second account",
        f"{DISPATCH}/applying/inheriting.py",
        "max(row.at_most_days, theirs.at_most_days)",
        "row.at_most_days",
        ("tests/dispatch/test_inheriting.py",),
    ),
    Fault(
        "who no longer needs it hears of it again",
        f"{DISPATCH}/applying/preferring.py",
        "if answer not in (NO_NEED, NO_LONGER):",
        "if answer:",
        SENDING,
    ),
    Fault(
        "a run that waits in another operation than the new rule is found to fit",
        f"{TRIGGER}/runs/replay.py",
        "if (wait := self._run.wait) is not None and wait.shape != operation.shape:",
        "if (wait := self._run.wait) is not None and wait.shape == 0:",
        ("tests/trigger/test_checking.py",),
    ),
    Fault(
        "who rests from a rule is foreseen to begin it",
        f"{TRIGGER}/runs/life.py",
        """        if seen.at < row.cooling_until(rule.name, key, terms.cooldown):
            return "cooldown"
        return "" if self._fits""",
        '        return "" if self._fits',
        ("tests/trigger/test_commanding.py",),
    ),
    Fault(
        "one opt-out counts for every rule that wrote",
        f"{TRIGGER}/applying/contacts.py",
        "            if mark.objected:\n                return False",
        "            if mark.objected:\n                continue",
        ("tests/trigger/test_guarding.py",),
    ),
    Fault(
        "a rule is taken back for what may be chance",
        f"{TRIGGER}/guarding.py",
        "share_interval(min(count, tally.sent), tally.sent)[0] > most",
        "count / tally.sent > most",
        ("tests/trigger/test_guarding.py",),
    ),
    Fault(
        "what people objected to before an operator let the rule go on counts again",
        f"{TRIGGER}/state/cursor.py",
        "tally - self.let_go.get(rule, LetGo()).tally",
        "tally",
        ("tests/trigger/test_guarding.py",),
    ),
    Fault(
        "what stands in shadow is foreseen of nobody",
        f"{TRIGGER}/applying/contacts.py",
        "        if word.reason in WITHHELD:",
        "        if word.reason in ():",
        ("tests/trigger/test_volume.py",),
    ),
    Fault(
        "whom an operator enrolled is a flood",
        f"{TRIGGER}/state/volume.py",
        "forecast.busiest + enrolled",
        "forecast.busiest",
        ("tests/trigger/test_volume.py",),
    ),
    Fault(
        "what had waited for an operator is a flood",
        f"{TRIGGER}/guarding.py",
        " or now - _let_go(known, rule) < CATCHING_UP",
        "",
        ("tests/trigger/test_volume.py",),
    ),
    Fault(
        "a rule that fails parks everybody",
        f"{TRIGGER}/state/cursor.py",
        "if times >= PAUSE_AFTER_FAILURES and rule not in self.paused:",
        "if False:",
        ("tests/trigger/test_failing.py",),
    ),
    Fault(
        "what was parked is tried again with the settings that failed",
        f"{TRIGGER}/runs/life.py",
        'run.parked, run.parameters = "", self._book.parameters.get(run.rule) or None',
        'run.parked = ""',
        ("tests/trigger/test_failing.py",),
    ),
    Fault(
        "a parked run stands in the way for ever",
        f"{TRIGGER}/state/row.py",
        "            return self.deadline\n        wait, deadline",
        "            return None\n        wait, deadline",
        ("tests/trigger/test_failing.py",),
    ),
    Fault(
        "a condition that fails costs every rule the event",
        f"{TRIGGER}/runs/life.py",
        "        except RuleFailed as failed:\n            return self._fail(row, rule, seen.at, failed.parked)",
        "        except ZeroDivisionError:\n            return False",
        ("tests/trigger/test_failing.py",),
    ),
    Fault(
        "who cannot tell whose order it is goes on to remind",
        f"{TRIGGER}/runs/life.py",
        "            if not run.parked:\n                self.park(row, run, seen.at, failed.parked)\n            return False",
        "            return False",
        ("tests/trigger/test_failing.py",),
    ),
    Fault(
        "a shop's colour costs it the words of the layout",
        f"{DISPATCH}/content/contentset.py",
        'whole["words"] = known | {language: known.get(language, {}) | own for language, own in words.items()}',
        'whole["words"] = words',
        ("tests/dispatch/test_content_set.py",),
    ),
    Fault(
        "what is decided of one message answers another that waits beside it",
        "shared/tactful/operations.py",
        "        if happening.message_id != wait.message or (answer := happening.answer) is None:",
        "        if (answer := happening.answer) is None:",
        RULES,
    ),
    Fault(
        "another rule's goal ends a run that comes over",
        f"{TRIGGER}/runs/life.py",
        "any(rule.name == run.rule and self.ends(row, rule, run, seen) for",
        "any(self.ends(row, rule, run, seen) for",
        ("tests/trigger/test_joining.py",),
    ),
    Fault(
        "once something was removed, what was put in before the order comes back",
        f"{TRIGGER}/projections/cart.py",
        "removed=marks)",
        "removed=marks, settled_at=0)",
        ("tests/trigger/test_projection_cart.py",),
    ),
    Fault(
        "our own work is taken for that of a rule that has come back",
        f"{TRIGGER}/watch.py",
        '    def leave(self) -> None:\n        self._running = ""',
        "    def leave(self) -> None:\n        pass",
        ("tests/trigger/test_replay.py",),
    ),
    Fault(
        "what was to be done for somebody is done though they were erased with it",
        f"{TRIGGER}/effects.py",
        "        self.steps = [step for step in self.steps if step.customer != customer]\n",
        "",
        ("tests/trigger/test_erasing.py",),
    ),
)


def plant(fault: Fault, copy: Path) -> None:
    """Change the text once. Raises LookupError if it is not there."""
    file = copy / fault.file
    text = file.read_text()
    if fault.right not in text:
        raise LookupError(f"{fault.file} no longer holds {fault.right!r}; plant “{fault.name}” where the code went")
    file.write_text(text.replace(fault.right, fault.wrong, 1))


def judge(fault: Fault, patience: int = PATIENCE) -> tuple[bool, str]:
    """Run the tests with the fault in: killed only if one of them failed, not if they could not be run."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("shared", "services", "tests", "benchmarks"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.csv.gz"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        plant(fault, copy)
        path = os.pathsep.join(str(copy / package) for package in PACKAGES)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-o", LIMIT, *fault.tests]
        environment = {**os.environ, "PYTHONPATH": path}
        try:
            run = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired:
            return False, f"SURVIVED {patience} s"
    failed = next((line for line in run.stdout.splitlines() if line.startswith("FAILED tests/")), "")
    if run.returncode == 1 and failed:
        return True, f"killed by {failed.removeprefix('FAILED ').partition(' - ')[0]}"
    return False, "SURVIVED" if run.returncode == 0 else f"NOT JUDGED: {(run.stdout + run.stderr)[-500:]}"


def main() -> int:
    """Plant all, or those whose names are given; 1 if one survives."""
    wanted = [fault for fault in FAULTS if not sys.argv[1:] or fault.name in sys.argv[1:]]
    everything = tuple(sorted({test for fault in wanted for test in fault.tests}))
    if (sound := judge(Fault("no fault", "pyproject.toml", "", "", everything), ALL)) != (False, "SURVIVED"):
        print(f"without a fault: {sound[1]}")
        return 1
    began, alive = time.monotonic(), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for fault, (killed, told) in zip(wanted, pool.map(judge, wanted), strict=True):
            alive += not killed
            print(f"{fault.name}: {told}", flush=True)
    print(f"{len(wanted)} faults planted, {len(wanted) - alive} killed, {time.monotonic() - began:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
