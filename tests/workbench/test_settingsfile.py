"""The settings file of a data folder, where a command changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tactful.errors import SettingsError
from tactful_workbench.settingsfile import SHOP, SettingsFile


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    made = SettingsFile(tmp_path, SHOP)
    made.read()
    return made


def test_a_file_that_is_not_ours_to_change_stays_and_the_answer_says_where_to_change_it(file: SettingsFile) -> None:
    file.path.with_suffix(".new").mkdir()  # nothing can be written there
    with pytest.raises(SettingsError, match=r"cannot be changed from here .*change it where it comes from"):
        file.write(SHOP.replace("My shop", "Our shop"))
    assert file.read().shop.name == "My shop"


def test_a_text_that_is_no_settings_file_replaces_nothing(file: SettingsFile) -> None:
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        file.write("[shop]\nnmae = 1\n")
    assert file.path.read_text() == SHOP
