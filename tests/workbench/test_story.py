"""What is told of a customer: what their runs wait for and remember, and that there is more than a page holds."""

from __future__ import annotations

from typing import Any, cast

import pytest
from dispatchbench import DispatchBench
from enginebench import MONDAY, EngineBench

from tactful import Run, rule
from tactful.clock import HOUR
from tactful.events import OrderCompleted, ProductAdded
from tactful_console.explain import explain_text
from tactful_console.timeline import timeline
from tactful_trigger.state.history import HistoryRow
from tactful_workbench.operating.story import LINES, Story


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
    lines = explain_text(timeline(await story.timeline("u1"), "Europe/Madrid"), bench.now).splitlines()
    assert ("the story shows the latest 2,000 lines; `tactful customer export` has what was before" in lines[0]) == cut
    assert len(lines) == LINES + cut
    assert lines[-1].endswith(f"note {notes - 1}.")


async def test_a_story_shows_no_grant_of_a_stranger_that_does_not_count() -> None:
    bench = DispatchBench()
    bench.consenting(first_name="Ума")
    bench.advance("1m")
    bench.grants(state="withdrawn", channel="email")
    bench.advance("1m")
    bench.grants("anon:a1", channel="email")
    bench.settle()
    bench.link("anon:a1", "u1")
    story = Story(cast(Any, Trigger(1)), bench.store, cast(Any, None), bench.book, 1)
    told = await story.timeline("u1")
    assert [(word.channel, word.state) for word in told.consents] == [("", "granted"), ("email", "withdrawn")]
    assert told.first_name == "Ума"


@rule(on=ProductAdded, purpose="marketing.test", max_age="1d", version=1)
async def patient(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    await run.wait_for(OrderCompleted, within="7d")
    await run.sleep("10d")


async def test_a_story_says_what_a_run_waits_for_what_it_remembers_and_why_it_stands_still() -> None:
    bench, dispatch = EngineBench(patient), DispatchBench()
    bench.emits("u1", ProductAdded(product_id="p1"))
    bench.advance("2h")
    story = Story(bench.store, dispatch.store, bench.partition().book, dispatch.book, 1)
    (waits,) = (before := await story.timeline("u1")).pending
    assert (waits.at - MONDAY, waits.rule, waits.what) == (24 * HOUR, "patient", "wait_for")
    assert "stands still" not in waits.text
    assert [(entry.shape, entry.at - MONDAY) for entry in before.journals[waits.run]] == [("sleep", HOUR)]
    bench.broadcast("Rule Paused", rule="patient")
    bench.emits("u1", OrderCompleted(order_id="o1"))
    (still,) = (after := await story.timeline("u1")).pending
    assert still.text == "what comes next; stands still: its rule is paused"
    assert len(after.journals[still.run]) == 2


async def test_a_run_whose_message_is_held_waits_for_nothing_else() -> None:
    bench, dispatch = EngineBench(patient), DispatchBench()
    bench.emits("u1", ProductAdded(product_id="p1"))
    bench.advance("2h")
    story = Story(bench.store, dispatch.store, bench.partition().book, dispatch.book, 1)
    (waits,) = (await story.timeline("u1")).pending
    dispatch.consenting()
    dispatch.asks(run_id=waits.run, not_before=dispatch.now + HOUR)
    told = await story.timeline("u1")
    assert (told.pending, [held.reason for held in told.held]) == ([], ["not_yet"])
    bench.broadcast("Rule Paused", rule="patient")
    assert "stands still" in (await story.timeline("u1")).pending[0].text
