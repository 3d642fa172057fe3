"""A rule that people object to stands still, and says so to whoever asks."""

from __future__ import annotations

from pathlib import Path

from devserver import START, Server
from shopper import KETTLE, Shopper

from tactful_workbench.settingsfile import DEV


def test_a_rule_that_too_many_opt_out_of_pauses_itself_until_an_operator_lets_it_go_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.toml").write_text(DEV + "\n[guard]\nafter = 5\n")
    server = Server(tmp_path, "dev", "--at", START).start()
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
        assert "    opted out 3 (50.0 %), reported as spam 0 (0.0 %)" in listed
        late = Shopper(server, "late").known().consents()
        late.adds(KETTLE)
        assert late.decisions(server.advance(by="2h")) == []
        server.told("rules", "resume", "abandoned_cart")
        late.adds(KETTLE)
        assert ("email", "sent", None) in late.decisions(server.advance(by="2h"))
        assert "PAUSED" not in server.told("rules", "list")
    finally:
        server.close()
