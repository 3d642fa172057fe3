"""The first ten minutes of a newcomer, command by command: a refusal that teaches, consent, and the first letter."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from devserver import Server, dev_server
from shopper import KETTLE, TEA, Shopper

pytestmark = pytest.mark.xdist_group("first-minutes")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server that the whole story below plays on."""
    with dev_server(tmp_path_factory.mktemp("first")) as running:
        yield running


@pytest.fixture(scope="module")
def story(server: Server) -> dict[str, str]:
    """The script from the first event to `explain`; what each command printed."""
    uma, told = Shopper(server, "u1").known(), {}
    uma.does("Product Added", "m2", cart_id="c1", **KETTLE, **_pictured(server))
    told["refused"] = server.told("dev", "advance", "1h")
    consent = {"purpose": "marketing", "channel": "email", "state": "granted", "basis": "consent"}
    uma.does("Consent Changed", "m3", **consent, wording="signup-form-3", source="checkout")
    uma.does("Product Added", "m4", cart_id="c1", **TEA)
    told["sent"] = server.told("dev", "advance", "--to", "message")
    told["explained"] = server.told("explain", "u1")
    return told


def test_the_banner_shows_every_door_the_keys_the_rules_and_the_clock(server: Server) -> None:
    banner = server.said.text
    assert re.match(r"Tactful [\d.]+ · development · one process, one file \(.*dev\.db\) · nothing leaves", banner)
    assert f"  post events   {server.url}/v1/track     keys: dev_server (server)  dev_browser (public)\n" in banner
    assert f"  inbox         {server.url}/inbox " in banner
    assert f"  console       {server.url}/console      sample shop  {server.url}/shop\n" in banner
    assert re.search(r"  rules         .*abandoned_cart v1.*\(0 broken\)\n", banner)
    assert set(re.findall(r"^\w+ v\d+  (\w+)", server.told("rules", "list"), re.MULTILINE)) == {"live"}
    assert re.search(r"  clock         Mon 23 Nov 2026 14:0\d Europe/Madrid  .*dev advance 1h\n", banner)


@pytest.mark.parametrize("page", ["/inbox", "/console", "/shop"])
def test_every_page_that_the_banner_names_is_there(server: Server, page: str) -> None:
    answer = server.get(page)
    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]


def test_the_first_refusal_names_the_reason_the_fix_and_the_page(story: dict[str, str]) -> None:
    refused = story["refused"]
    assert "→ 15:0" in refused
    assert "1 timer fired" in refused
    assert re.search(r"abandoned_cart  u1  email  NOT SENT  no_consent   nobody has granted marketing.cart", refused)
    assert re.search(r"u1  push   NOT SENT  no_address", refused)
    assert re.search(r"u1  sms    NOT SENT  no_address .*run ended: nobody to reach", refused)
    assert refused.count("run ended") == 1, "its end stands behind its last word"
    assert "to allow it:  tactful consent grant u1 marketing --channel email --source signup-form\n" in refused
    assert "why:          tactful explain u1\n" in refused


def test_after_consent_the_next_cart_is_written_about(story: dict[str, str], server: Server) -> None:
    assert re.search(r'u1  email  SENT +"Uma, your Blue kettle is still here"', story["sent"])
    assert f"{server.url}/inbox/1" in story["sent"]


def test_the_letter_shows_the_kettles_picture_and_no_cell_for_the_tea(story: dict[str, str], server: Server) -> None:
    body = server.get("/inbox/1/body").text
    rows = re.findall(r"<tr>(?:(?!<tr>).)*?(?:Blue kettle|Tea, 500 g)</(?:a|span)>.*?</tr>", body, re.DOTALL)
    assert len(rows) == 2
    assert f'<img src="{server.url}/shop/p1.jpg"' in rows[0]
    assert "<img" not in rows[1]
    assert 'class="picture"' not in rows[1]
    assert server.get("/shop/p1.jpg").headers["content-type"].startswith("image/")


def test_the_letter_has_its_button_and_every_way_out(story: dict[str, str], server: Server) -> None:
    body = server.get("/inbox/1/body").text
    for words in ("Finish my order", "Why did I get this?", "No more cart reminders", "Unsubscribe"):
        assert words in body
    assert re.search(r"Pause (for )?30 days", body)


def test_the_letters_tabs_show_text_headers_and_decision(story: dict[str, str], server: Server) -> None:
    assert "Blue kettle" in server.get("/inbox/1?tab=text").text
    headers = server.get("/inbox/1?tab=headers").text
    assert "<dt>List-Unsubscribe</dt>" in headers
    assert "<dd>List-Unsubscribe=One-Click</dd>" in headers
    assert "marketing.cart" in server.get("/inbox/1?tab=decision").text


def test_explain_tells_the_whole_story_in_order(story: dict[str, str]) -> None:
    told = story["explained"]
    expected = [
        r"Mon 14:0\d  Product Added   c1  Blue kettle +event m2",
        r"Mon 14:0\d  abandoned_cart v1 started",
        r"Mon 15:0\d    email  NOT SENT  no_consent",
        r"Mon 15:0\d    push +NOT SENT  no_address",
        r"Mon 15:0\d    sms +NOT SENT  no_address.* ended",
        r"Mon 15:0\d  abandoned_cart v1 started",
        r"Mon 16:0\d    email  SENT  consent #1 · budget 0 of 1 this week · 16:0\d in Europe/Madrid \(profile\) · template",
        r"waiting.* until Tue 16:0\d",
    ]
    places = [re.search(pattern, told) for pattern in expected]
    assert [p for p, place in zip(expected, places, strict=True) if place is None] == []
    starts = [place.start() for place in places if place is not None]
    assert starts == sorted(starts)
    assert re.search(r"Consent +marketing/email granted +entry #1  wording signup-form-3", told)


def test_the_customers_page_in_the_console_tells_the_same(story: dict[str, str], server: Server) -> None:
    page = server.get("/console/customers/u1").text
    for words in ("Blue kettle", "no_consent", "signup-form-3"):
        assert words in page


def test_a_browser_key_may_not_change_consent(server: Server) -> None:
    consent = {"purpose": "marketing", "channel": "email", "state": "granted"}
    call = {"userId": "u1", "event": "Consent Changed", "properties": consent}
    answer = server.post("/v1/track", call, key="dev_browser")
    assert answer.status_code == 403
    assert answer.json() == {
        "code": "key_scope",
        "message": "a browser key may not change consent; use a server key",
    }


def test_the_clock_answers_in_json_what_it_printed(server: Server, story: dict[str, str]) -> None:
    nobody = Shopper(server).known()
    nobody.adds(KETTLE)
    report = server.advance(by="1h")
    assert report["to"] - report["from"] >= 3_600_000
    decision = next(d for d in report["decisions"] if d["customer"] == nobody.id and d["channel"] == "email")
    assert (decision["rule"], decision["rule_version"], decision["verdict"]) == ("abandoned_cart", 1, "not_sent")
    assert (decision["reason"], decision["scope"]) == ("no_consent", "channel")
    assert decision["explain"] == f"/console/customers/{nobody.id}"


def _pictured(server: Server) -> dict[str, str]:
    return {"url": f"{server.url}/shop/p1", "image_url": f"{server.url}/shop/p1.jpg"}
