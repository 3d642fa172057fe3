"""What the card says a customer has chosen."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from tactful.clock import DAY
from tactful.errors import InvalidInput
from tactful_dispatch.desk import CustomerCard, SentMessage
from tactful_dispatch.facts import Word
from tactful_dispatch.public.choices import channels, is_on, kinds, open_switches, silent_until, topics
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.languages.en import ENGLISH
from tactful_dispatch.public.masking import masked
from tactful_dispatch.public.wishes import Mute, Pause, StopAll, Turn, wish_of
from tactful_trigger.rules import abandoned_cart, churn_risk, complaint_followup, confirm_consent, missed_order

NOW: Final = 1_795_600_000_000


def said(purpose: str, channel: str, state: str, at: int, entry: int = 1) -> Word:
    return Word(purpose, channel, state, at, entry, "consent", "", "")


def card(*consents: Word, addresses: dict[str, str] | None = None, muted: tuple[str, ...] = ()) -> CustomerCard:
    sent = SentMessage("m_1", NOW, "email", "abandoned_cart", "S", "Product Added", NOW, ())
    return CustomerCard("u1", addresses or {}, None, None, None, consents, muted, 0, False, (sent,))


def test_silence_is_not_consent() -> None:
    assert not is_on((), "marketing", "email")


def test_a_grant_of_marketing_covers_every_kind_of_it() -> None:
    assert is_on((said("marketing", "email", "granted", 1),), "marketing.cart", "email")


def test_a_grant_of_one_kind_does_not_cover_marketing() -> None:
    assert not is_on((said("marketing.cart", "email", "granted", 1),), "marketing", "email")


def test_a_grant_on_one_channel_does_not_cover_another() -> None:
    assert not is_on((said("marketing", "email", "granted", 1),), "marketing", "sms")


def test_a_word_on_every_channel_counts_on_each() -> None:
    words = (said("marketing", "email", "granted", 1), said("marketing", "", "withdrawn", 2))
    assert not is_on(words, "marketing", "email")


def test_the_latest_word_counts_whatever_the_order_they_are_listed_in() -> None:
    words = (said("marketing", "email", "granted", 3), said("marketing", "email", "withdrawn", 2))
    assert is_on(words, "marketing", "email")
    assert is_on(words[::-1], "marketing", "email")


def test_of_two_words_in_one_instant_the_later_entry_counts() -> None:
    words = (said("marketing", "email", "withdrawn", 5, entry=9), said("marketing", "email", "granted", 5, entry=8))
    assert not is_on(words, "marketing", "email")


def test_a_withdrawal_keeps_a_purpose_silent_for_thirty_days_everywhere() -> None:
    words = (said("marketing", "email", "withdrawn", NOW - DAY),)
    assert silent_until(words, "marketing.cart", NOW) == NOW + 29 * DAY
    assert silent_until(words, "marketing", NOW + 29 * DAY) == 0


def test_a_new_grant_on_any_channel_ends_the_silence() -> None:
    words = (said("marketing", "email", "withdrawn", NOW - 2), said("marketing", "sms", "granted", NOW - 1))
    assert silent_until(words, "marketing", NOW) == 0


def test_channels_are_listed_from_the_quietest_and_only_if_they_concern_the_customer() -> None:
    known = card(said("marketing", "push", "granted", 1), addresses={"sms": "+34600", "email": "u@x.test"})
    assert channels(known) == ("email", "sms", "push")


def test_topics_are_marketing_what_was_consented_to_and_what_the_link_is_about() -> None:
    known = card(said("marketing.goodwill", "email", "granted", 1), said("service.complaint", "email", "granted", 1))
    listed = [topic.purpose for topic in topics(known, "marketing.cart", NOW)]
    assert listed == ["marketing", "marketing.cart", "marketing.goodwill"]


def test_one_message_that_is_wanted_on_one_channel_does_not_end_the_silence_on_the_others() -> None:
    withdrawn = said("marketing.cart", "sms", "withdrawn", NOW - DAY)
    wanted = replace(said("marketing.cart", "push", "granted", NOW, 2), once=True)
    assert silent_until((withdrawn, wanted), "marketing.cart", NOW) == NOW + 29 * DAY
    assert silent_until((withdrawn, replace(wanted, channel="")), "marketing.cart", NOW) == 0


def test_what_is_on_is_named_once_and_not_while_it_is_silent() -> None:
    on = (said("marketing", "email", "granted", 1), said("marketing.cart", "sms", "granted", 1))
    known = card(*on, addresses={"email": "u@x.test", "sms": "+34600"})
    open_now = [(switch.purpose, switch.channel) for switch in open_switches(topics(known, "", NOW))]
    assert open_now == [("marketing", "email"), ("marketing.cart", "sms")]
    silenced = card(*on, said("marketing", "push", "withdrawn", NOW - DAY), addresses={"email": "u@x.test"})
    assert open_switches(topics(silenced, "", NOW)) == []


def test_the_kinds_are_those_that_wrote_and_those_that_may_not() -> None:
    assert kinds(card(muted=("churn_risk",))) == ("abandoned_cart", "churn_risk")


@pytest.mark.parametrize(
    ("channel", "address", "shown"),
    [
        ("email", "uma@example.test", "u•••@example.test"),
        ("sms", "+34600123467", "+34 ••• 67"),
        ("sms", "12345", "•••"),
        ("push", "secret-token", "a device"),
        ("email", "", ""),
    ],
)
def test_addresses_are_shown_in_part(channel: str, address: str, shown: str) -> None:
    assert masked(channel, address, "a device") == shown


@pytest.mark.parametrize(
    ("form", "wish"),
    [
        ({"do": "turn_on", "purpose": "marketing", "channel": "email"}, Turn("marketing", "email", True)),
        ({"do": "turn_off", "purpose": "marketing.cart", "channel": "sms"}, Turn("marketing.cart", "sms", False)),
        (
            {"do": "turn_off", "purpose": "marketing.süße Grüße", "channel": "email"},
            Turn("marketing.süße Grüße", "email", False),
        ),
        ({"do": "mute", "rule": "корзина"}, Mute("корзина", True)),
        ({"do": "mute", "rule": "abandoned_cart"}, Mute("abandoned_cart", True)),
        ({"do": "unmute", "rule": "abandoned_cart"}, Mute("abandoned_cart", False)),
        ({"do": "pause", "days": "90"}, Pause(90)),
        ({"do": "pause", "days": "0"}, Pause(0)),
        ({"do": "stop"}, StopAll()),
    ],
)
def test_each_button_states_one_wish(form: dict[str, str], wish: object) -> None:
    assert wish_of(form) == wish


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"do": "sell"},
        {"do": "turn_on", "purpose": "service", "channel": "email"},
        {"do": "turn_on", "purpose": "marketing"},
        {"do": "turn_on", "purpose": "marketing", "channel": "<b>"},
        {"do": "turn_off", "purpose": "marketing." + "x" * 200, "channel": "email"},
        {"do": "turn_off", "purpose": "marketing.\x00", "channel": "email"},
        {"do": "mute", "rule": ""},
        {"do": "pause", "days": "-1"},
        {"do": "pause", "days": "99999999999"},
        {"do": "pause"},
    ],
)
def test_a_form_without_such_a_button_states_none(form: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        wish_of(form)


def test_a_language_that_is_missing_falls_to_the_shops_and_then_to_english() -> None:
    assert texts_for("en-GB") is texts_for("xx", "en_US") is texts_for(None) is ENGLISH


def test_a_rule_without_a_name_of_its_own_is_named_in_words() -> None:
    assert ENGLISH.rule("price_drop") == "Price drop"
    assert ENGLISH.topic("marketing.price_drop") == "Price drop"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_whatever_makes_a_shipped_rule_write_is_told_in_the_customers_words(language: str) -> None:
    rules = (abandoned_cart, churn_risk, complaint_followup, confirm_consent, missed_order)
    events = {name for rule in rules for name in rule.terms.on}
    assert events - texts_for(language).causes.keys() == set()
