"""Checking the rules of this process against the live runs of a shop, before it is given to the shop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from tactful_trigger.rulebook import Rulebook
from tactful_trigger.runs.checking import Checked, check
from tactful_workbench.office import office, told
from tactful_workbench.operating.runpages import Page

LOT: Final = 5_000  # customers asked for at once
NAMED: Final = 3  # customers named beside each reason


class Report(msgspec.Struct):
    """What became of all live runs. `misfits`: (rule, version, why) -> how many, and some of their customers."""

    fit: int = 0
    misfits: Counter[tuple[str, int, str]] = msgspec.field(default_factory=Counter)
    customers: dict[tuple[str, int, str], list[str]] = msgspec.field(default_factory=lambda: defaultdict(list))

    def add(self, runs: Iterable[Checked]) -> None:
        for run in runs:
            if not run.why:
                self.fit += 1
                continue
            reason = (run.rule, run.version, run.why)
            self.misfits[reason] += 1
            if len(self.customers[reason]) < NAMED:
                self.customers[reason].append(run.customer)

    def as_json(self) -> dict[str, Any]:
        """As `tactful rules check --live --json` prints it."""
        return {
            "live_runs": self.fit + self.misfits.total(),
            "fit": self.fit,
            "misfits": [
                {
                    "rule": rule,
                    "version": version,
                    "why": why,
                    "runs": runs,
                    "customers": self.customers[rule, version, why],
                }
                for (rule, version, why), runs in self.misfits.most_common()
            ],
        }


async def check_live(data: Path, book: Rulebook) -> Report:
    """Replay every live run of the shop against `book`. Nothing changes there."""
    report = Report()
    async for page in _pages(data):
        for stored in page.rows:
            report.add(check(stored.customer, bytes(stored.row), book))
    return report


async def _pages(data: Path) -> AsyncIterator[Page]:
    async with office(data) as client:
        partition, partitions, after = 0, 1, ""
        while partition < partitions:
            query: dict[str, Any] = {"partition": partition, "after": after, "limit": LOT}
            response = await client.get("/admin/runs", params=query)
            if not response.is_success:
                await told(response)
            page = msgspec.json.decode(response.content, type=Page)
            yield page
            partitions, after = page.partitions, page.reached
            partition += not after
