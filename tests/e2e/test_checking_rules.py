"""`tactful rules check`: what a new version of a rule would do to runs under way, before it is installed."""

from __future__ import annotations

import json
from pathlib import Path

from devserver import dev_server, run
from shopper import TEA, Shopper

RULE = """\
from tactful import Run, rule
from tactful.events import ProductAdded


@rule(on=ProductAdded, purpose="marketing.tea", version=1, max_age="30d")
async def tea_time(run: Run, first: ProductAdded) -> None:
    await run.sleep("1d")
    await run.{then}
    await run.send("email", "tea_time")
"""


def test_runs_under_way_are_replayed_against_the_new_rules_before_they_are_installed(tmp_path: Path) -> None:
    rules, new = tmp_path / "rules", tmp_path / "new"
    for folder, then in ((rules, 'sleep("2d")'), (new, 'quiet("2d")')):
        folder.mkdir()
        (folder / "tea.py").write_text(RULE.format(then=then))
    server = dev_server(tmp_path).start()
    try:
        uma, ida = (Shopper(server).known() for _ in range(2))
        uma.adds(TEA)
        server.advance(by="25h")
        ida.adds(TEA)
        server.advance(by="1m")
        same = server.told("rules", "check", "--live")
        assert "live runs would go on\n" in same
        assert "would not" not in same
        changed = server.cli("rules", "check", "--live", "--rules", str(new), "--json")
        told = json.loads(changed.stdout)
        assert (changed.returncode, told["live_runs"] - told["fit"]) == (1, 1)
        [misfit] = told["misfits"]
        assert (misfit["rule"], misfit["version"], misfit["customers"]) == ("tea_time", 1, [uma.id])
        assert "tea.py:8: entry 2 of the journal is `sleep`, the rule now awaits `quiet`" in misfit["why"]
        assert "; 1 would not\n" in server.told("rules", "check", "--live", "--rules", str(new), "--park", "1")
        server.stop()
        assert "would not" not in server.told("rules", "check", "--live"), "the file itself, while nobody has it"
    finally:
        server.close()


def test_rules_are_checked_without_any_server_or_data(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    whole = run("rules", "check", cwd=tmp_path)
    assert (whole.returncode, whole.stdout) == (0, "7 rules loaded, 0 broken\n")
    (tmp_path / "rules" / "tea.py").write_text(RULE.format(then="sleep(1"))
    broken = run("rules", "check", cwd=tmp_path)
    assert broken.returncode == 1
    assert "tea.py:8: '(' was never closed" in broken.stdout
    assert "7 rules loaded, 1 broken" in broken.stdout
