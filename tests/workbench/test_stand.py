"""A file that was put back from a back-up sends nothing before an operator has looked; any other start changes nothing."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from enginebench import event_record

from tactful.errors import SettingsError, StoreUnavailable
from tactful.events import Page
from tactful.localtime import local_time
from tactful.records import EVENTS, encode
from tactful.sqlite import Database
from tactful_workbench.commands.keys import secrets
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.embedded.stand import Mark, Stand
from tactful_workbench.operating.stopping import Standing

FILES = ("", "-wal", "-shm")


async def append(product: Product, name: str) -> None:
    await product.log.append(EVENTS, [(2, encode(event_record("u1", Page(), product.clock.now(), name)))])


async def standing(product: Product) -> Standing:
    """After dispatch has read what there is."""
    await product.dispatch_worker.claim()
    for partition in range(product.log.partitions):
        while await product.dispatch_worker.run_once(partition):
            pass
    return await product.button.standing()


async def backed_up(data: Path) -> None:
    """A shop whose file was copied, and which went on."""
    async with opened(Plan(data)) as product:
        await append(product, "e1")
    shutil.copy(data / "tactful.db", data / "backup.db")
    async with opened(Plan(data)) as product:
        assert not (await standing(product)).stopped, "a start like any other"
        await append(product, "e2")


def put_back(data: Path) -> None:
    for end in FILES:
        (data / f"tactful.db{end}").unlink(missing_ok=True)
    shutil.copy(data / "backup.db", data / "tactful.db")


async def test_a_mark_for_which_there_is_no_room_is_named_and_waited_for(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        stand = Stand(tmp_path, product.log, product.database, product.clock)
        in_the_way = tmp_path / "stand.new"
        in_the_way.mkdir()
        with pytest.raises(StoreUnavailable, match="stand cannot be written: "):
            await stand.round()
        in_the_way.rmdir()
        await stand.round()


async def test_nothing_leaves_a_file_that_was_put_back_until_somebody_lets_it(tmp_path: Path) -> None:
    await backed_up(tmp_path)
    put_back(tmp_path)
    async with opened(Plan(tmp_path)) as product:
        stopped = await standing(product)
        assert (stopped.stopped, stopped.by, stopped.in_force) == (True, "Tactful", product.log.partitions)
        since = f"{local_time(product.log.opened_at, product.shop().zone):%Y-%m-%d %H:%M %z}"
        lost = f"the file is a back-up: what was sent and who opted out from {since} until "
        assert re.fullmatch(rf"{re.escape(lost)}20[\d: -]+ \+0[12]00 is not in it", stopped.why)
    async with opened(Plan(tmp_path)) as product:
        assert (await standing(product)).stopped
        await product.button.let_go("olga", 0)
        assert not (await standing(product)).stopped
    async with opened(Plan(tmp_path)) as product:
        assert not (await standing(product)).stopped, "it was looked at once"


async def test_a_round_notes_what_has_come_and_nothing_else(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        stand = Stand(tmp_path, product.log, product.database, product.clock)
        await append(product, "e1")
        assert not await stand.round(), "there is nothing more to do"
        noted = (tmp_path / "stand").read_bytes()
        assert msgspec.json.decode(noted, type=Mark).ends["events/2"] == await product.log.end(EVENTS, 2)
        (tmp_path / "stand").write_bytes(b"")
        await stand.round()
        assert (tmp_path / "stand").read_bytes() == b"", "nothing has come since"


@pytest.mark.parametrize("nonsense", ["", "{", '{"at": 1}', "\0\0\0", None])
async def test_without_a_note_that_can_be_read_nothing_leaves_until_somebody_lets_it(
    tmp_path: Path, nonsense: str | None
) -> None:
    await backed_up(tmp_path)
    if nonsense is None:
        (tmp_path / "stand").unlink()
    else:
        (tmp_path / "stand").write_text(nonsense)
    async with opened(Plan(tmp_path)) as product:
        stopped = await standing(product)
        assert (stopped.stopped, stopped.in_force) == (True, product.log.partitions)
        assert re.search(r"may be a back-up, since .*stand .*: what was sent .* after 20\d\d-", stopped.why)
        await product.button.let_go("olga", 0)
    async with opened(Plan(tmp_path)) as product:
        assert not (await standing(product)).stopped, "it was looked at once"


async def test_a_back_up_on_a_new_disk_sends_nothing_and_names_the_latest_that_is_in_it(tmp_path: Path) -> None:
    await backed_up(tmp_path)
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(tmp_path / "backup.db", new / "tactful.db")
    shutil.copytree(tmp_path / "secrets", new / "secrets")
    async with opened(Plan(new)) as product:
        stopped = await standing(product)
        latest = f"{local_time(product.log.opened_at, product.shop().zone):%Y-%m-%d %H:%M %z}"
        assert (stopped.stopped, f"after {latest} would not be in it" in stopped.why) == (True, True)


async def test_a_back_up_without_its_secrets_is_refused_unless_an_operator_makes_new_ones(tmp_path: Path) -> None:
    await backed_up(tmp_path)
    shutil.rmtree(tmp_path / "secrets")
    for _ in range(2):
        with pytest.raises(
            SettingsError, match="secrets lacks address-key and link-key: suppressed addresses would be"
        ):
            async with opened(Plan(tmp_path)):
                pass
        assert not (tmp_path / "secrets").exists(), "none is made in passing"
    secrets(tmp_path)
    async with opened(Plan(tmp_path)):
        pass


async def test_a_first_start_that_was_cut_short_is_no_loss(tmp_path: Path) -> None:
    await (await Database.open(tmp_path / "tactful.db")).close()
    async with opened(Plan(tmp_path)):
        pass


async def test_a_file_of_a_program_that_kept_no_note_goes_on(tmp_path: Path) -> None:
    await backed_up(tmp_path)
    (tmp_path / "stand").unlink()
    with sqlite3.connect(tmp_path / "tactful.db") as database:
        database.execute("DROP TABLE stand_kept")
        database.execute("DELETE FROM schema WHERE component = 'stand'")
    database.close()
    async with opened(Plan(tmp_path)) as product:
        assert not (await standing(product)).stopped
    assert (tmp_path / "stand").exists()


async def test_in_dev_nobody_looks(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True)):
        pass
    assert not (tmp_path / "stand").exists()
