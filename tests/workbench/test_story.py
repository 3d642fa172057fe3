"""What is told of a customer of whom there is more to tell than a page holds."""

from __future__ import annotations

from typing import Any, cast

import pytest
from dispatchbench import DispatchBench

from tactful_console.explain import explain_text
from tactful_console.timeline import timeline
from tactful_trigger.history import HistoryRow
from tactful_workbench.story import LINES, Story


class Trigger:
    """Knows notes of one customer, and no run."""

    def __init__(self, notes: int) -> None:
        self._lines = [
            HistoryRow("u1", n, n, 0, "note", "cart", "r", b'{"text": "note %d."}' % n) for n in range(notes)
        ]

    async def history(self, customer: str, limit: int) -> list[HistoryRow]:
        return self._lines[-limit:]

    async def load(self, partition: int, customers: list[str]) -> dict[str, bytes]:
        return {}

    async def cursor(self, partition: int) -> None:
        return None


@pytest.mark.parametrize(("notes", "cut"), [(LINES, False), (LINES + 1, True), (LINES + 500, True)])
async def test_a_story_that_does_not_show_everything_says_so(notes: int, cut: bool) -> None:
    bench = DispatchBench()
    story = Story(cast(Any, Trigger(notes)), bench.store, cast(Any, None), bench.book, 1)
    lines = explain_text(timeline(await story.timeline("u1"), "Europe/Madrid")).splitlines()
    assert ("the story shows the latest 2,000 lines; `tactful customer export` has what was before" in lines[0]) == cut
    assert len(lines) == LINES + cut
    assert lines[-1].endswith(f"note {notes - 1}.")
