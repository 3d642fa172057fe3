"""Chores beside the services."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from tactful_workbench.process.housekeeping import Housekeeping


async def test_who_is_told_to_end_while_it_tidies_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def for_long() -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 0

    keeping = Housekeeping(log=for_long)
    with caplog.at_level(logging.WARNING):
        keeping.start()
        await begun.wait()
        keeping.stop()
        await ended.wait()
        await asyncio.sleep(0)
    assert caplog.records == []


async def test_what_was_to_be_done_while_the_machine_slept_is_done_once_it_wakes() -> None:
    done = asyncio.Event()

    async def prunes() -> int:
        done.set()
        return 0

    keeping = Housekeeping(log=prunes)
    keeping.start()
    [job] = keeping._scheduler.get_jobs()
    job.modify(next_run_time=datetime.now(UTC) - timedelta(minutes=150))
    await asyncio.wait_for(done.wait(), 1)
    keeping.stop()


async def test_what_one_chore_stumbles_over_keeps_no_other_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def stumbles() -> int:
        raise KeyError("Ann")

    async def prunes() -> int:
        done.append("log")
        return 0

    await Housekeeping(history=stumbles, log=prunes).tidy()
    assert done == ["log"]
    [said] = caplog.messages
    assert said.startswith("history was not tidied, it is tried again in an hour: ")
    assert said.endswith("KeyError")
    assert "Ann" not in caplog.text
