"""What commands hear of a server that is not ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tactful.errors import SettingsError, TactfulError
from tactful_workbench.commands.smoke import smoke
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.office import call_text, get, office, post, posted, told

MAY_WRITE = {"purpose": "marketing", "channel": "email", "state": "granted"}


async def test_a_page_of_somebody_else_is_no_answer() -> None:
    asked = httpx.Request("POST", "https://shop.example/v1/identify")
    with pytest.raises(TactfulError, match=r"https://shop\.example/v1/identify is answered by somebody else"):
        await told(httpx.Response(200, html="<p>Welcome", request=asked))


def test_a_door_whose_address_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(TactfulError, match=r"--url http://\[::1 is no address of a door"):
        smoke("me@shop.example", "http://[::1", data=tmp_path)


def test_who_names_one_server_of_two_is_told_which_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TACTFUL_POSTGRES", raising=False)
    monkeypatch.setenv("TACTFUL_KAFKA", "kafka://127.0.0.1:9")
    with pytest.raises(TactfulError, match="of many machines, TACTFUL_POSTGRES is not set"):
        get(tmp_path, "/admin/keys")


async def test_commands_go_on_where_the_settings_or_the_templates_are_broken_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(Plan(tmp_path)) as product:
        await product.trigger_worker.settle()
    settings = tmp_path / "settings.toml"
    settings.write_text(settings.read_text().replace('timezone = "Europe/Madrid"', 'timezone = "Europe/Madrit"'))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "brand.yaml").write_text("acent: red\n")
    with pytest.raises(SettingsError, match=r"settings\.toml:4"):
        await _open(Plan(tmp_path))
    async with office(tmp_path) as client:
        assert "settings.toml:4: shop.timezone" in capsys.readouterr().err
        assert (await client.get("/admin/sending")).json()["shop"] == "My shop"
        findings = (await client.get("/admin/doctor")).json()["findings"]
        failures = [finding["text"] for finding in findings if finding["level"] == "fail"]
        assert any("settings.toml:4: shop.timezone" in text for text in failures)
        assert any("brand.yaml:1" in text for text in failures)
        refused = await client.post("/admin/rules/abandoned_cart/rollout", json={"share": 0.1})
        assert (refused.status_code, "settings.toml:4" in refused.text) == (400, True)
        assert (await client.post("/admin/stop", json={"by": "anna", "why": "night"})).status_code == 200


def test_where_no_server_runs_advance_sends_the_words_of_the_shops_own_and_says_where_they_will_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates" / "abandoned_cart").mkdir(parents=True)
    letter = "---\nsubject: Our own words\nuses: [cart]\n---\n{{ text('Hi') }}"
    (tmp_path / "templates" / "abandoned_cart" / "email.en.html").write_text(letter)
    asyncio.run(_open(Plan(tmp_path, dev=True)))
    asyncio.run(_fill_a_cart(tmp_path))
    assert '"Our own words"   http://127.0.0.1:8080/inbox/1' in post(tmp_path, "/dev/clock", {"to": "message"})["text"]


async def _fill_a_cart(data: Path) -> None:
    said: list[tuple[str, dict[str, object]]] = [
        ("identify", {"traits": {"email": "uma@a.example", "locale": "en", "timezone": "Europe/Madrid"}}),
        ("track", {"event": "Consent Changed", "properties": MAY_WRITE}),
        ("track", {"event": "Product Added", "properties": {"product_id": "p1", "name": "Tea"}}),
    ]
    async with office(data) as client:
        for path, call in said:
            await posted(client, f"/v1/{path}", call_text({"userId": "u1", **call}))


async def test_a_command_needs_settings_that_somebody_was_told(tmp_path: Path) -> None:
    await _open(Plan(tmp_path))  # nobody has read the log yet
    (tmp_path / "settings.toml").write_text("[shop\n")
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        await _open(Plan(tmp_path, command=True))


async def _open(plan: Plan) -> None:
    async with opened(plan):
        pass
