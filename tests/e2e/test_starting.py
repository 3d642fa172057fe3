"""Starting, and everything that can be wrong at the start: each has a sentence that says what to do."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from devserver import Server, dev_server, run, run_here
from shopper import KETTLE, Shopper


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Not started yet: the test says when."""
    waiting = dev_server(tmp_path)
    try:
        yield waiting
    finally:
        waiting.close()


def test_a_second_process_on_the_same_folder_is_refused(server: Server) -> None:
    server.start()
    second = server.cli("dev", "--port", str(_other_port(server)))
    assert second.returncode == 1
    assert re.search(r"dev\.db .*(in use|another process)", second.stderr), second.stderr
    assert "Traceback" not in second.stderr
    assert server.get("/inbox").status_code == 200


def test_who_follows_the_log_hears_that_the_server_is_gone(server: Server) -> None:
    server.start()
    with server.following("events", "tail", "--follow") as said:
        said.wait_for("Settings Changed")
        server.stop()
        said.wait_for(f"the server at {server.url} went away before it had answered")
    assert "Traceback" not in said.text


def test_a_folder_of_data_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = run_here("rules", "list", "--data", "file", cwd=tmp_path)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)


def test_a_port_in_use_is_named_with_the_way_out(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run("dev", "--data", "data", "--port", str(port), cwd=server.folder)
    assert refused.returncode == 1
    assert f"port {port} of 127.0.0.1" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_of_a_newer_version_is_refused_by_name(server: Server) -> None:
    server.start().stop()
    with contextlib.closing(sqlite3.connect(server.data / "dev.db")) as database, database:
        database.execute("UPDATE schema SET version = 999 WHERE component = 'trigger'")
    refused = server.cli("dev", "--port", str(server.port))
    assert refused.returncode == 1
    assert "dev.db" in refused.stderr
    assert "999" in refused.stderr
    assert "newer" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("colour = 1", "settings.toml:2: shop.colour is not a setting"),
        ('timezone = "Mars/Olympus"', 'settings.toml:2: shop.timezone: "Mars/Olympus" is not an IANA time zone'),
        ("name = ", "settings.toml: Invalid value (at line 2"),
    ],
)
def test_a_wrong_line_in_the_settings_is_named(server: Server, line: str, says: str) -> None:
    server.data.mkdir()
    (server.data / "settings.toml").write_text(f"[shop]\n{line}\n")
    refused = server.cli("dev", "--port", str(server.port))
    assert refused.returncode == 1
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_start_of_the_clock_that_is_no_time_is_refused(server: Server) -> None:
    for text in ("noonish", "9999-12-31T23:00+00:00", "0001-01-01T00:00"):
        refused = run_here("dev", "--at", text, cwd=server.folder)
        assert refused.returncode == 1
        assert f'"{text}" is not a time' in refused.stderr


def test_saved_settings_take_effect_at_once(server: Server) -> None:
    server.start()
    uma = Shopper(server).known().consents("email")
    file = server.data / "settings.toml"
    file.write_text(file.read_text().replace("[rules.abandoned_cart]", '[rules.abandoned_cart]\ndelay = "10m"'))
    server.said.wait_for("settings.toml was read again")
    uma.adds(KETTLE)
    assert uma.decisions(server.advance(by="9m")) == []
    assert uma.decisions(server.advance(by="1m")) == [("email", "sent", None)]


def test_settings_that_are_wrong_when_saved_change_nothing(server: Server) -> None:
    server.start()
    uma = Shopper(server).known().consents("email")
    file = server.data / "settings.toml"
    file.write_text(file.read_text().replace('mode = "live"', 'mode = "alive"', 1))
    assert re.search(r"settings\.toml:\d+: rules\.abandoned_cart\.mode", server.said.wait_for("not taken"))
    uma.adds(KETTLE)
    assert uma.decisions(server.advance(by="1h")) == [("email", "sent", None)]


def test_a_broken_rule_is_named_and_the_others_run(server: Server) -> None:
    rules = server.folder / "rules"
    rules.mkdir()
    (rules / "second_order.py").write_text("from tactful import rule\n\ndef broken(:\n    pass\n")
    server.start()
    server.said.wait_for("BROKEN")
    assert "(1 broken)" in server.said.text
    assert re.search(r"BROKEN        .*second_order.*line 3|BROKEN        .*second_order\.py:3", server.said.text)
    listed = server.told("rules", "list")
    assert re.search(r"abandoned_cart v1  live  0 live runs", listed)
    assert re.search(r"second_order.*  BROKEN  .*3", listed)
    uma = Shopper(server).known().consents("email")
    uma.adds(KETTLE)
    assert uma.decisions(server.advance(by="1h")) == [("email", "sent", None)]


def test_the_clock_of_an_existing_file_goes_on_whatever_at_says(server: Server) -> None:
    server.start()
    server.advance(by="5d")
    assert server.stop() == 0
    server.start()
    server.said.wait_for("  --at          was not used")
    assert "clock         Sat 28 Nov 2026 14:0" in server.said.text


def test_reset_begins_anew_but_never_under_a_running_server(server: Server) -> None:
    server.start()
    server.advance(by="5d")
    uma = Shopper(server).known()
    assert f"{uma.id} is erased" in server.told("customer", "erase", uma.id, "--yes")
    refused = server.cli("dev", "reset")
    assert refused.returncode == 1
    assert "stop it first" in refused.stderr
    server.stop()
    assert "begins anew" in server.told("dev", "reset")
    server.start()
    assert "clock         Mon 23 Nov 2026 14:0" in server.said.text
    uma.adds(KETTLE)
    server.advance(by="1m")  # what was posted has been read by then
    assert "Product Added" in uma.explained(), "erased in days that are still to come"


def test_reset_is_not_for_the_folder_of_a_shop(tmp_path: Path) -> None:
    for name in ("tactful.db", "erasures"):
        (tmp_path / name).touch()
    refused = run_here("dev", "reset", "--data", str(tmp_path), cwd=tmp_path)
    assert (refused.returncode, "is the database of a shop" in refused.stderr) == (1, True)
    assert (tmp_path / "erasures").exists()


def test_reset_works_after_a_power_cut(server: Server) -> None:
    server.start().kill9()
    assert "begins anew" in server.told("dev", "reset")


def test_commands_work_on_the_file_when_no_server_runs(server: Server) -> None:
    server.start()
    uma = Shopper(server).known()
    uma.adds(KETTLE)
    server.stop()
    assert "entry #" in server.told("consent", "grant", uma.id, "marketing", "--channel", "email")
    assert re.search(rf"{uma.id}  email  SENT", server.told("dev", "advance", "1h"))
    assert "Blue kettle" in uma.explained()


def test_a_command_on_a_folder_without_a_database_says_how_to_begin(tmp_path: Path) -> None:
    refused = run_here("explain", "u1", "--data", "nowhere", cwd=tmp_path)
    assert refused.returncode == 1
    assert "tactful dev" in refused.stderr
    assert not (tmp_path / "nowhere").exists()


def test_told_to_stop_it_ends_cleanly_and_says_nothing(server: Server) -> None:
    server.start()
    before = server.said.text
    assert server.stop() == 0
    assert server.said.text == before
    assert not (server.data / "server.json").exists()


def _other_port(server: Server) -> int:
    return dev_server(server.folder).port
