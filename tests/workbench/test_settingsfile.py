"""The settings file of a data folder, where a command changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tactful.clock import ManualClock
from tactful.errors import SettingsError
from tactful.log.memory import MemoryLog
from tactful.records import EVENTS
from tactful_trigger.rules import abandoned_cart
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


WRONG = '[rules.abandoned_cart]\nmode = "live"\n{line}\n[rules.unknown]\ncooldown = "whatever"\n'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cooldown = 5", r'settings\.toml:3: \[rules\.abandoned_cart\] cooldown: "5" is not a length of time'),
        ('cooldown = ["1d"]', r"settings\.toml:3: \[rules\.abandoned_cart\] cooldown: .* is not a length of time"),
        ('cooldown = "soon"', r'settings\.toml:3: \[rules\.abandoned_cart\] cooldown: "soon" is not a length of time'),
        ("holdout = 7", r"settings\.toml:3: \[rules\.abandoned_cart\] holdout = 7 does not fit"),
        ('repeat = "often"', r"settings\.toml:3: \[rules\.abandoned_cart\] repeat = 'often' does not fit"),
    ],
)
async def test_what_a_rule_cannot_be_put_under_is_refused_before_anybody_hears_of_it(
    tmp_path: Path, line: str, says: str
) -> None:
    clock = ManualClock(0)
    log = MemoryLog(1, clock)
    file = SettingsFile(tmp_path, SHOP, lambda: [abandoned_cart])
    assert await file.tell(log, clock, "")
    told, before = file.latest, await log.end(EVENTS, 0)
    with pytest.raises(SettingsError, match=says):
        file.write(WRONG.format(line=line))
    assert file.path.read_text() == SHOP
    file.path.write_text(WRONG.format(line=line))
    with pytest.raises(SettingsError, match=says):
        await file.tell(log, clock, "")
    assert (file.latest, await log.end(EVENTS, 0)) == (told, before)
