"""Plays the scenario in processes of its own, and compares what three ledgers say: acknowledgements, database, provider."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

SCENARIO = Path(__file__).parents[1] / "faults" / "scenario.py"
HOUR = 3_600_000
PATIENCE = 60  # seconds; a calm run takes two
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

    def sends(self) -> Counter[str]:
        """How often the provider was sent each message."""
        return Counter(line["message"] for line in self.provider)


def play(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One process of the scenario, to its end, however it comes."""
    command = [sys.executable, "-W", "error", str(SCENARIO), str(folder), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)


def play_and_kill(folder: Path, point: str, nth: int, *options: str) -> None:
    """A process that is killed at a point; fails if it was not."""
    ended = play(folder, "--crash", point, str(nth), *options)
    assert ended.returncode == -signal.SIGKILL, f"{point} was not reached {nth} times:\n{ended.stderr}"
    assert "crash point reached" in ended.stderr


def play_to_the_end(folder: Path, *options: str) -> Ledgers:
    """A process that ends by itself, and the ledgers then."""
    ended = play(folder, *options)
    assert ended.returncode == 0, ended.stderr
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


def check(after: Ledgers, calm: Ledgers, *, in_the_dark: bool) -> None:
    """Every invariant, against a run that nobody disturbed. `in_the_dark`: whether the kill interrupted a sending."""
    _nothing_is_lost(after, calm)
    _nothing_is_doubled(after, calm)
    _sends_are_accounted_for(after, calm, in_the_dark)
    _nothing_leaves_after_an_opt_out(after)
    _order_is_kept(after, calm)
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
        assert after.effects(customer) == calm.effects(customer)
    assert set(after.messages) == set(calm.messages)
    assert after.report["duplicates"] == len(after.stored) - len(
        set(after.stored)
    )  # what was posted again, nothing else


def _sends_are_accounted_for(after: Ledgers, calm: Ledgers, in_the_dark: bool) -> None:
    sends, verdicts = after.sends(), {message: set(said) for message, said in after.decisions.items()}
    assert all(times == 1 for times in sends.values())
    assert verdicts.keys() == set(calm.messages)
    assert all(len(said) == 1 for said in verdicts.values())
    by_verdict = {verdict: {m for m, said in verdicts.items() if verdict in said} for verdict in ("sent", "unknown")}
    assert by_verdict["sent"] | by_verdict["unknown"] == set(calm.sends())
    assert by_verdict["sent"] <= sends.keys() <= by_verdict["sent"] | by_verdict["unknown"]
    assert bool(by_verdict["unknown"]) == in_the_dark


def _nothing_leaves_after_an_opt_out(after: Ledgers) -> None:
    said = {line["act"].partition("-")[0]: line["at"] for line in after.acks if line["act"].endswith("-stops")}
    assert said.keys() == {"bob", "dora"}
    assert all(line["at"] <= said.get(line["customer"], line["at"]) for line in after.provider)
    assert {line["customer"] for line in after.provider}.isdisjoint({"cleo", "dora", "fay"})


def _order_is_kept(after: Ledgers, calm: Ledgers) -> None:
    for name, customer in after.report["customers"].items():
        offsets = [offset for offset, _ in customer["history"]]
        assert offsets == sorted(offsets)
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
