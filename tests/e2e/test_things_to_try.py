"""What a newcomer tries next: each with a customer of its own who has agreed to e-mail, on a Monday-to-be at two."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from devserver import Server, dev_server
from shopper import KETTLE, TEA, Shopper

pytestmark = pytest.mark.xdist_group("things-to-try")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all; every test begins on a day of its own."""
    with dev_server(tmp_path_factory.mktemp("try")) as running:
        yield running


@pytest.fixture
def server(shared: Server) -> Server:
    """Nothing is pending from the tests before, and it is two in the afternoon."""
    shared.advance(to="idle")
    shared.advance(to="tomorrow 14:00")
    return shared


@pytest.fixture
def uma(server: Server) -> Shopper:
    """A customer with an address, who allows marketing by e-mail."""
    return Shopper(server).known().consents("email")


def test_the_same_message_twice_is_answered_200_and_starts_nothing_twice(server: Server, uma: Shopper) -> None:
    for _ in range(2):
        uma.does("Product Added", f"{uma.id}-same", cart_id=uma.cart, **KETTLE)
    report = server.advance(by="1h")
    assert report["timers_fired"] == 1
    assert uma.decisions(report) == [("email", "sent", None)]
    assert uma.explained().count("abandoned_cart v1 started") == 1


def test_looking_at_a_product_moves_the_hour_of_quiet(server: Server, uma: Shopper) -> None:
    uma.adds(KETTLE)
    server.advance(by="30m")
    uma.does("Product Viewed", product_id="p1")
    assert uma.decisions(server.advance(by="59m")) == []
    assert uma.decisions(server.advance(by="1m")) == [("email", "sent", None)]


def test_an_order_ends_the_run_and_nothing_is_ever_sent(server: Server, uma: Shopper) -> None:
    uma.adds(KETTLE)
    uma.does("Order Completed", order_id=f"o-{uma.id}", total=39.90, currency="EUR", products=[KETTLE])
    assert uma.decisions(server.advance(by="3d")) == []
    assert re.search(r"goal reached.*timer removed", uma.explained())


def test_an_unread_letter_is_followed_by_one_shorter_push_and_a_click_ends_it(server: Server, uma: Shopper) -> None:
    uma.known(pushToken=f"token-{uma.id}", phone="+34600123456").consents("push").consents("sms")
    uma.adds(KETTLE)
    (letter,) = uma.letters(server.advance(by="1h"))
    report = server.advance(by="1d")
    assert uma.decisions(report) == [("push", "sent", None)]
    push = server.get(f"{uma.letters(report)[0]}.json").json()
    assert len(push["text"]) < len(server.get(f"{letter}.json").json()["text"])
    played = server.http.post(f"{uma.letters(report)[0]}/play", data={"act": "click"}, follow_redirects=True)
    assert played.status_code == 200, played.text
    assert uma.decisions(server.advance(by="1d")) == []


def test_one_click_on_unsubscribe_is_enough(server: Server, uma: Shopper) -> None:
    uma.adds(KETTLE)
    (letter,) = uma.letters(server.advance(by="1h"))
    headers = server.get(f"{letter}?tab=headers").text
    link = re.search(r"<dt>List-Unsubscribe</dt><dd>&lt;(http[^,&]+)&gt;", headers)
    assert link is not None, headers
    answer = server.http.post(link[1], data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    uma.cart += "-new"
    uma.adds(TEA)
    report = server.advance(by="1d")
    assert uma.letters(report) == []
    assert re.search(r"Consent +marketing(?:\.cart)?/email withdrawn +entry #\d+", uma.explained())
    assert "withdrawn" in server.told("consent", "show", uma.id)


def test_the_unsubscribe_page_asks_for_one_press_and_no_login(server: Server, uma: Shopper) -> None:
    uma.adds(KETTLE)
    (letter,) = uma.letters(server.advance(by="1h"))
    body = server.get(f"{letter}/body").text
    link = re.search(r'href="([^"]+)"[^>]*>Unsubscribe<', body)
    assert link is not None
    page = server.get(link[1])
    assert page.status_code == 200
    assert "password" not in page.text
    assert "granted" in server.told("consent", "show", uma.id), "looking changes nothing"
    button = re.search(r'<button class="main" name="(\w+)" value="([^"]*)"', page.text)
    assert button is not None
    assert server.http.post(link[1], data={button[1]: button[2]}).status_code == 200
    assert "withdrawn" in server.told("consent", "show", uma.id)


def test_an_evening_cart_is_held_until_nine_and_sent_as_it_is_then(server: Server, uma: Shopper) -> None:
    server.advance(to="20:30")
    uma.adds(KETTLE)
    report = server.advance(by="1h")
    (held,) = [held for held in report["held"] if held["customer"] == uma.id]
    assert held["reason"] == "quiet_hours"
    assert re.search(r"HELD +until \w\w\w 09:00  quiet_hours", report["text"])
    uma.adds(TEA)
    report = server.advance(to="tomorrow 09:00")
    server.advance(by="2h")
    letters = [x for x in server.get("/inbox.json").json() if x["customer"] == uma.id]
    assert [letter["channel"] for letter in letters] == ["email"], report
    assert "Tea, 500 g" in letters[0]["text"]


def test_a_held_letter_is_delivered_at_nine_by_the_next_message(server: Server, uma: Shopper) -> None:
    server.advance(to="20:30")
    uma.adds(KETTLE)
    server.advance(by="1h")
    report = server.advance(to="message")
    assert uma.decisions(report) == [("email", "sent", None)]
    assert re.search(r"  09:00  abandoned_cart  \S+  email  SENT", report["text"])


def test_the_next_message_brings_all_of_its_minute(server: Server, uma: Shopper) -> None:
    ida = Shopper(server).known().consents("email")
    for each in (uma, ida):
        each.adds(KETTLE)
    report = server.advance(to="message")
    assert [each.decisions(report) for each in (uma, ida)] == [[("email", "sent", None)]] * 2


def test_who_complains_is_left_in_peace_on_every_channel(server: Server, uma: Shopper) -> None:
    uma.known(pushToken=f"token-{uma.id}", phone="+34600123456").consents("push").consents("sms")
    uma.does("Complaint Opened", ticket_id=f"t-{uma.id}")
    uma.adds(KETTLE)
    report = server.advance(by="1h")
    assert uma.decisions(report) == [("email", "not_sent", "complaint_open")]
    assert re.search(rf"{uma.id}  email  NOT SENT  complaint_open", report["text"])
    assert uma.letters(server.advance(by="3d")) == []


def test_broken_json_is_told_where_it_breaks(server: Server) -> None:
    answer = server.post("/v1/track", b'{"userId":')
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_json"
    assert answer.json()["message"].endswith("at byte 10")


def test_one_bad_event_of_three_goes_to_quarantine_with_its_reason(server: Server, uma: Shopper) -> None:
    good = [{"type": "track", "userId": uma.id, "event": "Product Viewed"} for _ in range(2)]
    bad = {"type": "track", "messageId": f"{uma.id}-bad", "event": "Product Viewed"}
    answer = server.post("/v1/batch", {"batch": [good[0], bad, good[1]]})
    assert (answer.status_code, answer.json()) == (200, {"success": True, "rejected": 1})
    listed = [line for line in server.told("events", "tail", "--quarantine").splitlines() if f"{uma.id}-bad" in line]
    assert len(listed) == 1
    assert re.search(r"userId", listed[0])
    dumped = [json.loads(line) for line in server.told("events", "dump", "--topics", "quarantine").splitlines()]
    assert any(f"{uma.id}-bad" in json.dumps(line["record"]) for line in dumped)


def test_after_a_power_cut_the_pending_hour_is_pending_and_the_letter_comes_once(tmp_path: Path) -> None:
    server = dev_server(tmp_path).start()
    try:
        uma = Shopper(server).known().consents("email")
        uma.adds(KETTLE)
        server.kill9()
        server.start()
        report = server.advance(by="1h")
        assert uma.decisions(report) == [("email", "sent", None)]
        server.kill9()
        server.start()
        assert uma.decisions(server.advance(by="1h")) == []
        assert len(server.get("/inbox.json").json()) == 1
        assert "whole" in server.told("consent", "verify")
    finally:
        server.close()
