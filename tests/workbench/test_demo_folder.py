"""Where the demo may be shown: its settings write to everybody, and what stood there is gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from providerserver import provider_server

from tactful.errors import SettingsError, TactfulError
from tactful_workbench.demo.show import SETTINGS, show
from tactful_workbench.embedded.product import Plan
from tactful_workbench.embedded.serverfile import ServerFile

OWN = '[shop]\nname = "Tea house"\n'


def texts_in(data: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in data.iterdir()}


async def refusal(data: Path) -> str:
    with pytest.raises(TactfulError) as refused:
        await show(data, 1, True)
    return str(refused.value)


@pytest.mark.parametrize("database", ["tactful.db", "dev.db"])
async def test_the_demo_touches_no_folder_of_a_shop_or_of_a_developer(tmp_path: Path, database: str) -> None:
    kept = {database: "rows", "settings.toml": OWN}
    for name, text in kept.items():
        (tmp_path / name).write_text(text)
    assert "choose another folder with --data" in await refusal(tmp_path)
    assert texts_in(tmp_path) == kept


async def test_the_demo_takes_no_database_from_a_server_that_runs(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    (tmp_path / "dev.db").write_text("rows")
    async with provider_server() as provider:
        provider.answers = [(200, {}, b"{}")]
        ServerFile(f"http://127.0.0.1:{provider.port}", os.getpid(), "token").write(tmp_path)
        assert f"(process {os.getpid()}); stop it first" in await refusal(tmp_path)
    assert (tmp_path / "dev.db").read_text() == "rows"


def test_no_shop_is_served_by_the_settings_of_a_demo_whose_database_is_gone(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    with pytest.raises(SettingsError, match="writes to everybody"):
        Plan(tmp_path).refuse_the_other()
