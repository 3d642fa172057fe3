"""The red button where dispatch is behind, or not there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from tactful_workbench.cli import _app
from tactful_workbench.commands.stop import stopped_text
from tactful_workbench.embedded.banner import stop_line
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.operating.stopping import Standing


async def standing(data: Path, *, press: bool = False) -> tuple[Standing, int]:
    """After dispatch has read what there is, or right after the stop is told; and how many records are not read."""
    async with opened(Plan(data)) as product:
        button = product.button
        await product.dispatch_worker.claim()
        for partition in range(product.log.partitions):
            while await product.dispatch_worker.run_once(partition):
                pass
        if press:
            await button.press("olga", "")
        return await button.standing(), (await button.counted())["unread"]


def test_a_stop_that_nobody_has_read_yet_can_be_taken_back(tmp_path: Path) -> None:
    told, unread = asyncio.run(standing(tmp_path, press=True))
    assert (told.stopped, unread) == (False, 4)
    resumed = CliRunner().invoke(_app(["resume"]), ["resume", "--yes", "--data", str(tmp_path)])
    assert "sending goes on" in resumed.output
    told, unread = asyncio.run(standing(tmp_path))
    assert (told.stopped, told.at > 0, unread) == (False, True, 0)


def test_a_server_that_starts_while_nothing_leaves_says_so() -> None:
    standing = Standing(True, "olga", "wrong price", 1_795_442_400_000, 4, 4, 0)
    said = "by olga since 2026-11-23 15:00 +0100 (wrong price): nothing leaves; `tactful resume` lets it go on"
    assert stop_line(standing, ZoneInfo("Europe/Madrid")) == f"  STOPPED       {said}"


def test_what_was_kept_does_not_leave_beyond_the_calendar(tmp_path: Path) -> None:
    asyncio.run(standing(tmp_path, press=True))
    resume = ["resume", "--yes", "--over", "99999999999999999999d", "--data", str(tmp_path)]
    assert "is longer than 1000000d" in str(CliRunner().invoke(_app(["resume"]), resume).exception)


def test_where_it_is_not_read_yet_nobody_is_told_that_nothing_leaves() -> None:
    answer = {"partitions": 4, "in_force": 1, "kept": 2}
    assert "3 of 4 partitions have not read it yet: if they do not within a minute" in stopped_text(answer, "olga")
    assert "have not read" not in stopped_text(answer | {"in_force": 4}, "olga")
