"""What dispatch is told of a customer."""

from __future__ import annotations

import pytest
from enginebench import EngineBench
from msgspec.structs import replace

from tactful.clock import DAY, HOUR
from tactful.customer import Contact, Engagement, Order, Orders, Profile, Segments, Ticket, Tickets
from tactful.events import ContactMade
from tactful.records import RecipientBody, Rest
from tactful.settings import Caps, Resting, Settings
from tactful_trigger.applying.recipient import recipient, tells_dispatch

NOON = 1_795_442_400_000


def told(
    profile: Profile | None = None,
    orders: Orders | None = None,
    tickets: Tickets | None = None,
    engagement: Engagement | None = None,
    settings: Settings | None = None,
    segments: Segments | None = None,
) -> RecipientBody:
    return recipient(
        profile or Profile(),
        orders or Orders(),
        tickets or Tickets(),
        engagement or Engagement(),
        segments or Segments(),
        settings or Settings(),
    )


def ordered(**order: object) -> Orders:
    return Orders(count=1, recent=(Order(order_id="o1", at=NOON, **order),))  # type: ignore[arg-type]


def test_of_a_stranger_nothing_is_told() -> None:
    assert told() == RecipientBody()


def test_each_channel_gets_its_address() -> None:
    profile = Profile(email="uma@example.test", phone="+34600123456", push_token="t0ken")
    assert told(profile).addresses == {
        "email": "uma@example.test",
        "push": "t0ken",
        "sms": "+34600123456",
        "call": "+34600123456",
    }


@pytest.mark.parametrize(
    "written", ["uma@example.test", " uma@example.test\n", "Uma <uma@example.test>", "< uma@example.test >"]
)
def test_an_e_mail_address_is_told_without_a_name(written: str) -> None:
    """The allow-list and the preference page know it by itself."""
    assert told(Profile(email=written)).addresses == {"email": "uma@example.test"}


@pytest.mark.parametrize(
    "written",
    [
        "+34 600 123 456",
        "+34 (600) 123-456",
        "+34.600.123.456",
        "+34 (0) 600 123 456",
        "+34/600/123456",
        "+34\N{NO-BREAK SPACE}600\N{NON-BREAKING HYPHEN}123\N{EN DASH}456",
        "\N{LEFT-TO-RIGHT EMBEDDING}+34 600 123 456\N{POP DIRECTIONAL FORMATTING}",
    ],
)
def test_a_phone_number_is_told_without_its_punctuation(written: str) -> None:
    assert told(Profile(phone=written)).addresses["sms"] == "+34600123456"


@pytest.mark.parametrize(
    "written", ["600123456", "0034600123456", "+0600123456", "+34600", "+3460012345678901", "call me", "+34600123x56"]
)
def test_a_number_without_country_code_or_of_a_wrong_length_is_no_address(written: str) -> None:
    assert told(Profile(phone=written)).addresses == {}


def test_what_a_browser_only_claimed_is_no_address() -> None:
    assert told(Profile(claimed={"email": "mallory@example.test"})).addresses == {}


def test_name_language_and_zone_are_told_as_they_are_known() -> None:
    body = told(Profile(first_name="Uma", locale="pt-PT", zone="Europe/Lisbon", country="pt"))
    assert (body.first_name, body.locale, body.zone, body.country) == ("Uma", "pt-PT", "Europe/Lisbon", "PT")


@pytest.mark.parametrize(
    ("written", "code"), [("USA", "US"), (" gbr ", "GB"), ("uk", "GB"), ("EL", "GR"), ("ROU", "RO"), ("jp", "JP")]
)
def test_a_country_may_be_written_by_any_of_its_codes(written: str, code: str) -> None:
    assert told(Profile(country=written)).country == code


def test_a_country_that_is_no_code_is_left_out() -> None:
    assert told(Profile(country="Portugal")).country is None


@pytest.mark.parametrize(
    ("count", "segment"), [(0, "new"), (1, "new"), (2, "repeat"), (4, "repeat"), (5, "loyal"), (50, "loyal")]
)
def test_the_segment_follows_from_the_number_of_orders(count: int, segment: str) -> None:
    assert told(segments=Segments(older=count)).segment == segment


def test_marketing_rests_for_a_day_after_an_order() -> None:
    assert told(orders=ordered()).rests == (Rest(NOON + DAY, "order", NOON),)


def test_the_length_of_a_rest_is_the_shops_choice() -> None:
    settings = Settings(resting=Resting(order="2h"))
    assert told(orders=ordered(), settings=settings).rests == (Rest(NOON + 2 * HOUR, "order", NOON),)


def test_a_cancelled_order_gives_no_rest() -> None:
    assert told(orders=ordered(status="cancelled")).rests == ()


def test_a_late_parcel_rests_once_more_from_its_delivery() -> None:
    late = told(orders=ordered(delivered_at=NOON + 9 * DAY, late=True))
    assert Rest(NOON + 10 * DAY, "late_delivery", NOON + 9 * DAY) in late.rests
    on_time = told(orders=ordered(delivered_at=NOON + 9 * DAY))
    assert [rest.why for rest in on_time.rests] == ["order"]


def test_marketing_rests_for_a_week_after_a_refund() -> None:
    assert told(orders=Orders(refunded_at=NOON)).rests == (Rest(NOON + 7 * DAY, "refund", NOON),)


def test_an_open_complaint_is_told() -> None:
    assert told(tickets=Tickets(recent=(Ticket(ticket_id="t1", opened_at=NOON),))).complaint_open


def test_marketing_rests_for_a_week_after_a_complaint_closed() -> None:
    body = told(tickets=Tickets(recent=(Ticket(ticket_id="t1", opened_at=1, closed_at=NOON),)))
    assert (body.complaint_open, body.rests) == (False, (Rest(NOON + 7 * DAY, "complaint_closed", NOON),))


def test_somebody_who_spoke_to_the_customer_is_in_touch_for_a_day() -> None:
    body = told(engagement=Engagement(contacted_at=NOON, contacted_by="Ana, support"))
    assert (body.in_touch_until, body.in_touch_since, body.in_touch_with) == (NOON + DAY, NOON, "Ana, support")


def series(*sent: int, engaged: int = 0, rule: str = "churn_risk") -> Engagement:
    """Messages that asked them back, and when the last one was noticed."""
    contacts = [Contact(message_id=f"m{at}", channel="email", rule=rule, ladder=f"l{at}", sent_at=at) for at in sent]
    return Engagement(recent=(*contacts[:-1], replace(contacts[-1], engaged_at=engaged)))


def test_whom_two_series_in_a_row_left_cold_is_written_to_once_in_sixty_days() -> None:
    assert (told(engagement=series(1, 2)).at_most_days, told(engagement=series(1, 2)).away) == (60, True)
    assert not told(engagement=series(1)).away
    assert not told(engagement=series(1, 2, rule="abandoned_cart")).away
    assert told(engagement=series(1, 2), settings=Settings(caps=Caps(away_days=30))).at_most_days == 30


def test_a_reaction_or_an_order_ends_that() -> None:
    assert not told(engagement=series(1, 2, engaged=3)).away
    assert not told(orders=ordered(), engagement=series(1, 2)).away
    later = Contact(message_id="m9", channel="email", rule="abandoned_cart", sent_at=3, engaged_at=4)
    assert not told(engagement=Engagement(recent=(*series(1, 2).recent, later))).away


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (series(1), series(1, 2), True),
        (series(1, 2), series(1, 2, engaged=3), True),
        (series(1, 2), series(1, 2), False),
        (Engagement(), series(1), False),
    ],
    ids=["the second left", "it was noticed", "nothing new", "the first left"],
)
def test_dispatch_is_told_when_that_changes(before: Engagement, after: Engagement, news: bool) -> None:
    assert tells_dispatch(before, after) == news


@pytest.mark.parametrize(("purpose", "counts"), [("marketing.call", True), ("", True), ("service.delivery", False)])
def test_a_contact_that_is_heard_of_after_a_later_one_counts_as_well(purpose: str, counts: bool) -> None:
    bench = EngineBench()
    bench.emits("u1", ContactMade(channel="email", by="newsletter", purpose="marketing"))
    bench.emits("u1", ContactMade(channel="call", by="Ana", purpose=purpose), ago="3h")
    told = [(r.body.contacted_on, bench.now - r.body.contacted_at) for r in bench.recipients]
    assert told == [("email", 0), ("call", 3 * HOUR), ("email", 0)] if counts else told == [("email", 0)]
    assert bench.recipients[-1].body.in_touch_with == "newsletter"


def test_who_must_not_be_contacted_is_told_with_the_reason() -> None:
    assert told(Profile(flags={"do_not_contact": "deceased"})).do_not_contact == "deceased"
