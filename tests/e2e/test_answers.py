"""A customer answers a message through a link in it, and what they said is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from devserver import Server, dev_server
from shopper import TEA, Shopper


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with dev_server(tmp_path) as running:
        yield running


def test_who_says_that_a_complaint_is_not_settled_is_heard_by_a_person_at_the_shop(server: Server) -> None:
    uma = Shopper(server).known(locale="ru")
    uma.does("Complaint Opened", ticket_id="t1", subject="Blue kettle leaks")
    uma.does("Complaint Closed", ticket_id="t1")
    report = server.advance(by="25h")
    letter = server.get(f"{uma.letters(report)[0]}.json").json()
    link = re.search(r"Нет, ещё не решён: (http\S+)", letter["text"])
    assert link is not None, letter["text"]
    page = server.get(link[1])
    server.http.post(str(page.url), data={"do": "answer", "text": "It still leaks"})
    server.advance(by="1m")  # it may have left before
    [told] = [x for x in server.get("/inbox.json").json() if x["customer"] == uma.id and x["channel"] == "desk"]
    assert (told["address"], told["subject"]) == ("hello@shop.example", "Not settled: Blue kettle leaks")
    assert told["headers"]["Reply-To"] == f"{uma.id}@example.test"
    assert "It still leaks" in told["text"]
    preferences = re.search(r"Почему это пришло\? (http\S+)", letter["text"])
    assert preferences is not None
    assert "Not settled" not in server.get(preferences[1]).text, "that letter was not to the customer"


def test_who_wishes_to_be_reminded_in_a_week_gets_the_letter_again_a_week_later(server: Server) -> None:
    uma = Shopper(server).known().consents("email")
    tea = {**TEA, "category": "Tea and coffee"}
    for number in range(4):
        uma.does("Order Completed", order_id=f"o{number}-{uma.id}", products=[tea])
        report = server.advance(by="20d")
    report = server.advance(by="12d")
    assert uma.decisions(report) == [("email", "sent", None)]
    letter = server.get(f"{uma.letters(report)[0]}.json").json()
    link = re.search(r"Remind me in a week: (http\S+)", letter["text"])
    assert link is not None, letter["text"]
    page = server.get(link[1])
    assert "Your answer: remind me in a week." in page.text
    thanks = server.http.post(str(page.url), data={"do": "answer"})
    assert "We remind you in a week" in thanks.text
    assert uma.decisions(server.advance(by="6d")) == []
    assert uma.decisions(server.advance(by="1d")) == [("email", "sent", None)]
    assert "Survey Answered" in uma.explained()
