"""Commands know the shop's own rules and templates, whoever runs them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tactful_workbench.cli import _app
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.office import site_of

OWN = """\
from tactful import rule

@rule(on="X", purpose="marketing.own", version=1)
async def own(run, event):
    await run.sleep(run.param("pause", "1d"))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a shop's processes run, and its commands."""
    monkeypatch.chdir(tmp_path)
    Path("rules").mkdir()
    Path("rules/own.py").write_text(OWN)
    return tmp_path


async def begun() -> None:
    async with opened(Plan(Path("data"))):
        pass


def test_a_rule_of_the_shops_own_is_paused_while_no_server_runs() -> None:
    asyncio.run(begun())
    told = CliRunner().invoke(_app(["rules"]), ["rules", "pause", "own", "--data", "data"])
    assert (told.exit_code, "own is paused" in told.output) == (0, True)


def test_on_many_machines_commands_know_them_too() -> None:
    site = site_of({"TACTFUL_KAFKA": "kafka://k", "TACTFUL_POSTGRES": "postgresql://p"}, Path("data"))
    assert site.rules is not None
    assert (site.rules / "own.py").exists()
    assert site.templates == Path("templates")
