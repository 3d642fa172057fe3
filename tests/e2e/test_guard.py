"""A rule that people object to stands still, and says so to whoever asks."""

from __future__ import annotations

import re
from pathlib import Path

from devserver import dev_server
from shopper import KETTLE, Shopper

from tactful_workbench.settings.file import DEV


def test_a_roll_out_says_how_many_it_will_write_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.toml").write_text(DEV.replace('mode = "live"', 'mode = "shadow"', 1))
    server = dev_server(tmp_path).start()
    try:
        unknown = server.told("rules", "rollout", "abandoned_cart", "0.5%", "--yes")
        assert "abandoned_cart has not run for a whole day yet" in unknown
        server.told("rules", "rollout", "abandoned_cart", "0%")
        for _ in range(3):
            Shopper(server).known().consents().adds(KETTLE)
            server.advance(by="1d")
        told = "to everybody it would have written 2 times in 2 days"
        assert told in server.told("rules", "list")
        assert told in server.http.get("/console").text
        foretold = server.told("rules", "rollout", "abandoned_cart", "50%", "--yes")
        assert "would have written 2 times in 2 days; to 50% of customers about 0.5 times a day" in foretold
        assert (
            "It pauses itself if more than 0.5% opt out, or 0.1% report it as spam, or a day brings 3 times" in foretold
        )
    finally:
        server.close()


def test_a_rule_that_too_many_opt_out_of_pauses_itself_until_an_operator_lets_it_go_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.toml").write_text(DEV + "\n[guard]\nafter = 5\n")
    server = dev_server(tmp_path).start()
    try:
        people = [Shopper(server).known().consents() for _ in range(6)]
        for each in people:
            each.adds(KETTLE)
        server.advance(by="1h")
        for each in people[:3]:
            each.consents(state="withdrawn")
        server.advance(by="2m")
        server.said.wait_for("abandoned_cart is paused, since 3 of 6 who were written to opted out")
        server.advance(by="1s")
        listed = server.told("rules", "list")
        assert "abandoned_cart v1  live  PAUSED (3 of 6 who were written to opted out)" in listed
        assert "    opted out 3, reported as spam 0" in listed
        late = Shopper(server, "late").known().consents()
        late.adds(KETTLE)
        assert late.decisions(server.advance(by="2h")) == []
        server.told("rules", "resume", "abandoned_cart")
        late.adds(KETTLE)
        assert ("email", "sent", None) in late.decisions(server.advance(by="2h"))
        assert "PAUSED" not in server.told("rules", "list")
    finally:
        server.close()


FAULTY = """\
from tactful import Run, rule
from tactful.events import ProductAdded


@rule(on=ProductAdded, purpose="marketing.test", version=1)
async def faulty(run: Run, first: ProductAdded) -> None:
    await run.sleep("1h")
    raise KeyError("sku")
"""


def test_whoever_writes_a_rule_hears_at_once_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "faulty.py").write_text(FAULTY)
    server = dev_server(tmp_path).start()
    try:
        people = [Shopper(server).known() for _ in range(30)]
        people[0].adds(KETTLE)
        told = server.told("dev", "advance", "1h")
        assert (
            "faulty.py:8: KeyError: 'sku'\n  once mended:  tactful rules resume faulty   (files of rules are read"
            in told
        )
        assert "\nparked: faulty  once it is mended: tactful rules resume faulty\n" in server.told(
            "explain", people[0].id
        )
        assert "faulty v1  live  1 live runs, 1 parked  from " in server.told("rules", "list")
        assert "1 run is parked; once it is mended: tactful rules resume faulty" in server.get("/console").text
        for each in people:
            each.adds(KETTLE)
        assert "  failing:      faulty  paused: 5 runs in a row could not go on, " in server.told(
            "dev", "advance", "2h"
        )
        assert re.search(r"what was parked for \d+ customers is tried again", server.told("rules", "resume", "faulty"))
    finally:
        server.close()
