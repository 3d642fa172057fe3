"""From what the engine stores to a row of the timeline."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from stories import FOUR

from tactful.records import EventBody, EventRecord, encode
from tactful_console.history import HistoryRow
from tactful_console.recorded import about, history_row


def recorded(name: str, kind: str, /, **properties: Any) -> HistoryRow:
    raw = msgspec.Raw(msgspec.json.encode(properties))
    body = EventBody(name=name, source="dev_server", occurred_at=FOUR, properties=raw)
    return history_row("u1", FOUR, 7, 2, kind, "", "", encode(EventRecord(id="m2", key="u1", at=FOUR, body=body)))


def test_an_event_is_told_by_name_id_source_and_a_few_words() -> None:
    row = recorded("Product Added", "event", cart_id="c1", product_id="p1", name="Blue kettle")
    assert row.data == {
        "name": "Product Added",
        "id": "m2",
        "source": "dev_server",
        "about": "c1  Blue kettle",
        "properties": {"cart_id": "c1", "product_id": "p1", "name": "Blue kettle"},
        "occurred_at": FOUR,
    }
    assert (row.at, row.offset, row.index) == (FOUR, 7, 2)


def test_a_decision_belongs_to_the_run_that_it_names() -> None:
    row = recorded("Message Decided", "decided", rule="abandoned_cart", run_id="r_1", verdict="sent")
    assert (row.rule, row.run, row.data["verdict"]) == ("abandoned_cart", "r_1", "sent")


def test_what_the_engine_did_is_taken_as_it_is() -> None:
    row = history_row("u1", FOUR, 7, 0, "ended", "abandoned_cart", "r_1", b'{"why":"goal reached"}')
    assert row.data == {"why": "goal reached"}


@pytest.mark.parametrize(
    ("words", "properties"),
    [
        ("o1  Blue kettle and 2 more", {"order_id": "o1", "products": [{"name": "Blue kettle"}, {}, {}]}),
        ("p1", {"products": [{"product_id": "p1"}]}),
        ("t1  late again", {"ticket_id": "t1", "subject": "late again"}),
        ("", {"quantity": 1, "name": 5, "products": "none", "url": None}),
        ("1 product", {"products": [7]}),
    ],
)
def test_an_event_is_about_its_ids_and_things(words: str, properties: dict[str, Any]) -> None:
    assert about(properties) == words


def test_long_words_are_cut() -> None:
    assert len(about({"name": "k" * 500})) == 80
