"""What every shipped projection promises, by one rich story that all of them fold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from folding import at as happened
from folding import euros, folded

from tactful.clock import HOUR
from tactful.errors import UnknownState
from tactful.events import (
    CartShared,
    CheckoutStarted,
    ComplaintClosed,
    ComplaintOpened,
    ConsentChanged,
    ContactMade,
    CustomerFlagged,
    Event,
    Identify,
    MessageClicked,
    MessageDecided,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    Page,
    Product,
    ProductAdded,
    ProductRemoved,
)
from tactful.events.model import name_of
from tactful.projections import Projection
from tactful_trigger.projections import SHIPPED

LONG_AGO = 66  # orders that arrive last, an hour apart


def at(number: int, event: Event, scope: str = "server") -> Event:
    """After everything that happened long ago."""
    return happened((LONG_AGO + 1) * HOUR + number, event, scope)


STORY: tuple[Event, ...] = (
    at(
        1,
        Identify(
            email="uma@example.test",
            phone="+351912345678",
            push_token="t0ken",
            first_name="Uma",
            last_name="Dias",
            locale="pt-PT",
            timezone="Europe/Lisbon",
            country="PT",
            birthday="1990-05-01",
        ),
    ),
    at(2, Identify(email="claimed@example.test"), scope="browser"),
    at(3, CustomerFlagged(reason="staff")),
    at(4, Page(url="/kettles")),
    at(5, ProductAdded(cart_id="c1", product_id="p1", name="Kettle", price=euros(3990))),
    at(6, OrderCompleted(order_id="o1", total=euros(3990))),
    at(7, OrderRefunded(order_id="o1")),
    at(7, OrderCancelled(order_id="o0")),
    at(7, CheckoutStarted(products=(Product(product_id="p9"),))),
    at(8, ProductAdded(cart_id="c2", product_id="p1", price=euros(3990))),
    at(9, ProductAdded(cart_id="c2", product_id="p2")),
    at(10, ProductRemoved(cart_id="c2", product_id="p1")),
    at(11, CartShared(cart_id="c2")),
    at(12, ComplaintOpened(ticket_id="t1", subject="late")),
    at(13, ComplaintClosed(ticket_id="t1")),
    at(14, MessageDecided(message_id="m1", rule="abandoned_cart", channel="email", verdict="sent")),
    at(15, MessageClicked(message_id="m1", rule="abandoned_cart", channel="email")),
    at(16, ConsentChanged(purpose="marketing", channel="email", state="withdrawn")),
    at(17, ContactMade(by="Ana", channel="call", purpose="service.delivery")),
    *(happened(hour * HOUR, OrderCompleted(order_id=f"long ago {hour}")) for hour in range(1, LONG_AGO)),
)


def folds(projection: Projection[Any], event: Event) -> bool:
    return name_of(type(event)) in {name_of(known) for known in projection.events}


def told(projection: Projection[Any]) -> Any:
    return folded(projection, [event for event in STORY if folds(projection, event)])


every = pytest.mark.parametrize("projection", SHIPPED, ids=lambda projection: projection.name)


def test_eight_projections_ship_each_under_its_own_name() -> None:
    names = [projection.name for projection in SHIPPED]
    assert names == ["profile", "cart", "orders", "tickets", "engagement", "session", "rhythm", "segments"]


@every
def test_every_field_of_a_state_is_filled_by_the_story(projection: Projection[Any]) -> None:
    """Otherwise the other tests would say nothing about that field."""
    state = told(projection)
    assert [field for field in state.__struct_fields__ if not getattr(state, field)] == []


@every
def test_a_state_survives_being_stored(projection: Projection[Any]) -> None:
    state = told(projection)
    assert msgspec.json.decode(msgspec.json.encode(state), type=projection.state) == state


@every
def test_an_empty_state_costs_two_bytes(projection: Projection[Any]) -> None:
    assert msgspec.json.encode(projection.state()) == b"{}"


@every
def test_folding_leaves_the_old_state_as_it_was(projection: Projection[Any]) -> None:
    state = projection.state()
    for event in STORY:
        if folds(projection, event):
            before = msgspec.json.encode(state)
            after = projection.fold(state, event)
            assert msgspec.json.encode(state) == before
            state = after


@every
def test_merging_leaves_both_states_as_they_were(projection: Projection[Any]) -> None:
    mine, theirs = folded(projection, STORY[:9]), folded(projection, STORY[5:])
    before = msgspec.json.encode((mine, theirs))
    projection.merge(mine, theirs)
    assert msgspec.json.encode((mine, theirs)) == before


@every
def test_a_merge_with_nobody_changes_nothing(projection: Projection[Any]) -> None:
    state, nobody = told(projection), projection.state()
    assert projection.merge(state, nobody) == state
    assert projection.merge(nobody, state) == state


@every
def test_an_event_of_another_projection_changes_nothing(projection: Projection[Any]) -> None:
    others = [event for event in STORY if not folds(projection, event)]
    state = told(projection)
    assert others
    assert all(projection.fold(state, event) is state for event in others)


@every
def test_a_state_of_an_unknown_version_stops_the_partition_and_says_what_to_do(projection: Projection[Any]) -> None:
    with pytest.raises(UnknownState, match=rf"projection {projection.name}: .* version 7.*go back to the release"):
        projection.migrate(7, {})
