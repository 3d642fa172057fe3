"""Plays in processes of their own, and compares what three ledgers say: acknowledgements, database, provider."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sqlite3
import sys
import warnings
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

PLAYS = Path(__file__).parents[1] / "faults"
HOUR = 3_600_000
PATIENCE = 60  # seconds; a calm run takes two
_FORKS = multiprocessing.get_context("forkserver")  # of a process that has loaded the product, which takes a second
_FORKS.set_forkserver_preload(["tactful_workbench.embedded.product", "tactful_workbench.embedded.web", "httpx"])
OPENING, CLOSING = 8, 20  # UTC: marketing hours of Madrid in November


@dataclass(frozen=True)
class Ledgers:
    """What is known after the last process has ended."""

    acks: list[dict[str, Any]]
    provider: list[dict[str, Any]]
    report: dict[str, Any]

    @property
    def decisions(self) -> dict[str, list[str]]:
        """Verdicts by message, of every decision that the log holds."""
        found: dict[str, list[str]] = {}
        for event in self.report["events"]:
            if event["name"] == "Message Decided":
                found.setdefault(event["message"], []).append(event["verdict"])
        return found

    @property
    def messages(self) -> list[str]:
        """Ids of the messages that runs asked for, repeats included."""
        return sorted(message["id"] for message in self.report["messages"])

    @property
    def stored(self) -> list[str]:
        """Ids of posted events as they stand in the log, those that were posted again included."""
        customers = tuple(f"{customer}-" for customer in self.report["customers"])
        return [event["id"] for event in self.report["events"] if event["id"].startswith(customers)]

    @property
    def carts(self) -> dict[str, Any]:
        """Carts by customer."""
        return {name: customer["cart"] for name, customer in self.report["customers"].items()}

    def effects(self, customer: str) -> Counter[str]:
        """What happened to a customer, with multiplicity. Whether a hold had to ask again is a matter of moments."""
        told = [what for _, what in self.report["customers"][customer]["history"]]
        return Counter(what for what in told if what != "confirmed" and not what.startswith("Hold Opened"))

    def posted(self, customer: str) -> list[str]:
        """Ids of a customer's events that had an effect, in the order in which they were applied."""
        told = [what.rpartition(" ") for _, what in self.report["customers"][customer]["history"]]
        return [id for _, _, id in told if id.startswith(f"{customer}-")]

    def reached(self, customer: str) -> set[str]:
        """Messages to a customer that the provider was sent."""
        return {line["message"] for line in self.provider if line["customer"] == customer}

    def sends(self) -> Counter[str]:
        """How often the provider was sent each message."""
        return Counter(line["message"] for line in self.provider)


def play(name: str, folder: Path, *options: str) -> tuple[int, str]:
    """One process of a play, to its end, however it comes: its exit code, and what it said."""
    said = folder / "said"
    process = _FORKS.Process(target=_play, args=(str(PLAYS / f"{name}.py"), [str(folder), *options], said))
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{name} does not come to its end:\n{said.read_text()}")
    return process.exitcode, said.read_text()


def _play(program: str, arguments: list[str], said: Path) -> None:
    """In the process itself."""
    with said.open("w") as stream:
        os.dup2(stream.fileno(), sys.stderr.fileno())
    warnings.simplefilter("error")
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")


def play_and_kill(name: str, folder: Path, point: str, nth: int, *options: str) -> None:
    """A process that is killed at a point; fails if it was not."""
    code, said = play(name, folder, "--crash", point, str(nth), *options)
    assert code == -signal.SIGKILL, f"{point} was not reached {nth} times:\n{said}"
    assert "crash point reached" in said


def play_to_the_end(name: str, folder: Path, *options: str) -> Ledgers:
    """A process that ends by itself, and the ledgers then."""
    code, said = play(name, folder, *options)
    assert code == 0, said
    return Ledgers(
        _lines(folder / "acks.ndjson"),
        _lines(folder / "provider.ndjson"),
        msgspec.json.decode((folder / "report.json").read_bytes()),
    )


def cursors(folder: Path) -> dict[str, tuple[int, int]]:
    """(epoch, offset) of every partition of trigger, as they stand on the disk while nobody has the file."""
    db = sqlite3.connect(folder / "data" / "dev.db")
    try:
        rows = db.execute("SELECT partition, epoch, next_offset FROM trigger_cursor").fetchall()
    except sqlite3.OperationalError:
        return {}  # killed before the table was made
    finally:
        db.close()
    return {f"events/{partition}": (epoch, offset) for partition, epoch, offset in rows}


def traces(file: Path, words: str) -> list[str]:
    """Tables of a database that hold some words, the log left out. Words of two or three letters also stand in salts and
    hashes, by chance: they are refused."""
    assert len(words) > 5, words
    with closing(sqlite3.connect(file)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            table
            for table in tables
            if not table.startswith(("sqlite_", "log_events_", "log_dispatch_", "log_quarantine_"))
            and _holds(db, table, words.encode())
        ]


def _holds(db: sqlite3.Connection, table: str, words: bytes) -> bool:
    rows = db.execute(f"SELECT * FROM {table}")
    return any(words in (value if isinstance(value, bytes) else str(value).encode()) for row in rows for value in row)


def check(after: Ledgers, calm: Ledgers, *, in_the_dark: bool, repeated: str = "") -> None:
    """What holds after any play, against one that nobody disturbed. `in_the_dark`: whether the kill interrupted a sending
    whose outcome nobody can know; `repeated`: a channel whose provider knows repeats by their id."""
    _nothing_is_lost(after, calm)
    _nothing_is_doubled(after, calm)
    _sends_are_accounted_for(after, calm, in_the_dark, repeated)
    _nothing_leaves_after_an_opt_out(after)
    _order_is_kept(after, calm)


def check_carts(after: Ledgers, calm: Ledgers, *, in_the_dark: bool) -> None:
    """And what holds where every message is a cart's reminder."""
    check(after, calm, in_the_dark=in_the_dark)
    assert after.decisions.keys() == set(after.messages)
    assert {line["customer"] for line in after.provider}.isdisjoint({"cleo", "dora", "fay"})
    _timers_keep_their_time(after)


def _nothing_is_lost(after: Ledgers, calm: Ledgers) -> None:
    assert sorted(line["act"] for line in after.acks) == sorted(line["act"] for line in calm.acks)
    for customer in calm.report["customers"]:
        assert after.posted(customer) == calm.posted(customer)
    assert (after.report["unread"], after.report["unsent"]) == (0, 0)
    assert (after.report["stopped"], after.report["broken_chains"]) == ([], [])


def _nothing_is_doubled(after: Ledgers, calm: Ledgers) -> None:
    assert after.carts == calm.carts
    assert after.report["consents"] == calm.report["consents"]
    for customer in calm.report["customers"]:
        expected = calm.effects(customer)
        if calm.reached(customer) - after.reached(customer):
            del expected["receipt"]  # nobody reports on what was never taken
        assert after.effects(customer) == expected
    assert set(after.messages) == set(calm.messages)
    posted_again = len(after.stored) - len(set(after.stored))
    assert after.report["duplicates"] == posted_again


def _sends_are_accounted_for(after: Ledgers, calm: Ledgers, in_the_dark: bool, repeated: str) -> None:
    sends, verdicts = after.sends(), {message: set(said) for message, said in after.decisions.items()}
    twice = {line["message"] for line in after.provider if sends[line["message"]] > 1}
    assert twice <= {line["message"] for line in after.provider if line["channel"] == repeated}
    assert verdicts.keys() == calm.decisions.keys()
    assert all(len(said) == 1 for said in verdicts.values())
    by_verdict = {verdict: {m for m, said in verdicts.items() if verdict in said} for verdict in ("sent", "unknown")}
    assert by_verdict["sent"] | by_verdict["unknown"] == set(calm.sends())
    assert by_verdict["sent"] <= sends.keys() <= by_verdict["sent"] | by_verdict["unknown"]
    assert bool(by_verdict["unknown"]) == in_the_dark


def _nothing_leaves_after_an_opt_out(after: Ledgers) -> None:
    said = {
        line["act"].partition("-")[0]: line["at"] for line in after.acks if line["act"].endswith(("-stops", "-erased"))
    }
    assert said
    assert all(line["at"] <= said.get(line["customer"], line["at"]) for line in after.provider)


def _order_is_kept(after: Ledgers, calm: Ledgers) -> None:
    for name, customer in after.report["customers"].items():
        offsets = [offset for offset, _ in customer["history"]]
        assert offsets == sorted(offsets)
        if not calm.report["customers"][name]["history"]:
            continue  # erased, though the log still has what they did
        stored = [event["id"] for event in after.report["events"] if event["customer"] == name]
        order = [id for id in dict.fromkeys(stored) if id.startswith(f"{name}-")]
        assert order == [id for id in calm.posted(name) if id in order]


def _timers_keep_their_time(after: Ledgers) -> None:
    added: dict[str, int] = {}
    for event in after.report["events"]:
        if event["name"] == "Product Added":
            added[event["customer"]] = max(added.get(event["customer"], 0), event["appended"])
    first = {
        event["customer"]: event["appended"]
        for event in reversed(after.report["events"])
        if event["name"] == "Product Added"
    }
    asked = {message["id"]: message["asked"] for message in after.report["messages"]}
    for message in after.report["messages"]:
        assert first[message["customer"]] + HOUR <= message["asked"] <= added[message["customer"]] + HOUR
    for line in after.provider:
        assert line["at"] >= asked[line["message"]]
        assert OPENING <= line["at"] // HOUR % 24 < CLOSING


def _lines(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
