"""Operating rules: pause and resume them, let them run dry, end their runs, and let customers whom an import brought meet
them. Everything is a record in the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

import msgspec

from tactful.clock import Clock
from tactful.errors import InvalidInput
from tactful.identity import digest, is_anonymous
from tactful.log import Log
from tactful.log.broadcasting import broadcast
from tactful.log.partitioning import partition_of
from tactful.records import EVENTS, CommandBody, CommandRecord, EventRecord, encode
from tactful.rules import Rule
from tactful_trigger.applying.commanding import beginning, foreseen, from_when
from tactful_trigger.partition import Partition
from tactful_trigger.rulebook import Rulebook
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.row import has_run, names_in
from tactful_trigger.store import TriggerStore, cursors, past_of

NEWS: Final = {"pause": "Rule Paused", "drain": "Rule Drained", "cancel": "Rule Drained", "resume": "Rule Resumed"}
LOT: Final = 200  # records of one append, customers looked at together


class Conductor:
    """Tells trigger what an operator wants of a rule."""

    def __init__(self, log: Log, store: TriggerStore, book: Rulebook, clock: Clock) -> None:
        self._log, self._store, self._book, self._clock = log, store, book, clock

    async def tell(self, rule: str, wish: str) -> None:
        """`pause`, `drain`, `cancel` or `resume`, everywhere. Also of a rule that is installed no more, as long as something of it
        is left: nobody else could end its runs, or lift its pause."""
        if rule not in self._book.rules and rule not in await self.absent(await self._store.live_runs()):
            self.known(rule)
        now = self._clock.now()
        data = msgspec.json.encode({"rule": rule, "cancels": True} if wish == "cancel" else {"rule": rule})
        await broadcast(self._log, [EVENTS], digest(wish, rule, str(now)), NEWS[wish], data, now)

    async def resume(self, rule: str) -> int:
        """The rule goes on, and runs that were parked are tried again; how many customers have one."""
        await self.tell(rule, "resume")
        customers = await self._store.running(rule, parked=True) if rule in self._book.rules else []
        await self._command("retry", rule, customers, 0)
        return len(customers)

    async def cancel(self, rule: str) -> int:
        """Nothing of the rule begins any more, and its runs end, with the messages that wait for them; how many customers were told.
        A run that is not in the store yet, since trigger has still to read its event or moves it to another customer, ends when it
        is taken up."""
        await self.tell(rule, "cancel")
        customers = await self._store.running(rule)
        await self._command("cancel", rule, customers, 0)
        return len(customers)

    async def candidates(self, rule: str, since: int, after: str, limit: int) -> tuple[dict[str, EventRecord], str]:
        """Customers who did, since then, what the rule begins with and have no run of it, each with the latest such event: at
        most `limit` of those who come behind `after`, a partition after the other, in order of id; and the last one looked at, ""
        at the end."""
        names = self.known(rule).terms.on
        found: dict[str, EventRecord] = {}
        async for customer, others in self._without_run(rule, after):
            past = await past_of(self._store, (customer, *others), from_when(since))
            if (first := beginning(past, names, since)) is not None:
                found[customer] = first
            if len(found) == limit:
                return found, customer
        return found, ""

    async def _without_run(self, rule: str, after: str) -> AsyncIterator[tuple[str, tuple[str, ...]]]:
        """Known customers behind `after` without a run of the rule who were not absorbed by another customer, each with the names
        that they have absorbed."""
        count = self._log.partitions
        for partition in range(partition_of(after, count) if after else 0, count):
            while names := await self._store.everybody(partition, after, LOT):
                rows = await self._store.load(partition, [name for name in names if not is_anonymous(name)])
                for customer in (name for name in names if name in rows):
                    linked_to, others = names_in(rows[customer])
                    if not linked_to and not has_run(rows[customer], rule, parked=False):
                        yield customer, others
                after = names[-1]
            after = ""

    def _by_partition(self, customers: Iterable[str]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = defaultdict(list)
        for customer in customers:
            found[partition_of(customer, self._log.partitions)].append(customer)
        return found

    async def foresee(self, rule: str, candidates: Mapping[str, EventRecord]) -> dict[str, int]:
        """How many of them would begin (under "") and how many not, by reason. Nothing changes."""
        counts = Counter[str]()
        for number, customers in self._by_partition(candidates).items():
            partition = Partition(await self._store.cursor(number) or Cursor(partition=number), self._book)
            partition.take_in(customers, await self._store.load(number, customers))
            counts.update(
                foreseen(partition, customer, self.known(rule), candidates[customer], self._clock.now())
                for customer in customers
            )
        return dict(counts)

    async def enrol(self, rule: str, since: int, customers: Iterable[str]) -> None:
        """Let them meet the rule; its own terms still apply."""
        await self._command("enrol", rule, list(customers), since)

    async def cursors(self) -> list[Cursor]:
        """How far each partition is, and what its broadcasts said."""
        return await cursors(self._store, self._log.partitions)

    async def absent(self, alive: Mapping[str, int]) -> dict[str, str]:
        """Rules that are not installed here and of which something is left, each with how it stands. `alive`: runs by rule."""
        stands = standing(await self.cursors())
        return {rule: stands.get(rule, ("", ""))[0] for rule in sorted({*alive, *stands} - self._book.rules.keys())}

    async def failing(self) -> dict[str, str]:
        """Rules that are installed here of which a run could not go on, as long as none has since, or that are paused for it: why
        the last one could not."""
        cursors = await self.cursors()
        found = {rule: failing.why for cursor in cursors for rule, failing in cursor.failing.items()}
        found |= {rule: f"paused: {why}" for rule, (_, why) in standing(cursors).items() if why}
        return {rule: why for rule, why in found.items() if rule in self._book.rules}

    async def parked(self) -> dict[str, int]:
        """How many runs of each rule are parked. Looks at every row that has a run."""
        return await self._store.live_runs(parked=True)

    async def _command(self, name: str, rule: str, customers: list[str], since: int) -> None:
        now = self._clock.now()
        for start in range(0, len(customers), LOT):
            entries = []
            for customer in customers[start : start + LOT]:
                id = digest(name, rule, customer, str(now))
                record = CommandRecord(id=id, key=customer, at=now, body=CommandBody(name, rule, since))
                entries.append((partition_of(customer, self._log.partitions), encode(record)))
            await self._log.append(EVENTS, entries)

    def known(self, rule: str) -> Rule:
        """Raises InvalidInput (`no_such_rule`)."""
        if rule not in self._book.rules:
            raise InvalidInput(
                "no_such_rule", f"there is no rule {rule}; there are: {', '.join(sorted(self._book.rules))}"
            )
        return self._book.rules[rule]


def standing(cursors: Iterable[Cursor]) -> dict[str, tuple[str, str]]:
    """Rules that are `paused` or `drained` in any partition, and why if it was no operator."""
    found: dict[str, tuple[str, str]] = {}
    for cursor in cursors:
        found |= dict.fromkeys(cursor.draining, ("drained", ""))
        found |= {rule: ("paused", cursor.paused_why.get(rule, "")) for rule in cursor.paused}
    return found
