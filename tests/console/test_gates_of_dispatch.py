"""The sentences fit the facts that dispatch's own gates record: a renamed fact would lose its place in the sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from stories import FOUR, MADRID

from tactful.clock import DAY, HOUR, MINUTE
from tactful.decisions import GateRecord, GateVerdict, Reason
from tactful.records import MessageBody, RecipientBody, Rest
from tactful.settings import Settings
from tactful_console.moments import Moments
from tactful_console.wording import OPEN, gate_sentence
from tactful_dispatch.facts import Contacted, Facts, Word
from tactful_dispatch.gates import ORDER, judge

MESSAGE = MessageBody(
    message_id="m_1",
    run_id="r_1",
    customer="u1",
    subject="u1",
    rule="abandoned_cart",
    rule_version=1,
    channel="email",
    template="abandoned_cart",
    purpose="marketing.cart",
    requested_at=FOUR,
    expires_at=FOUR + 100 * DAY,
    uses=("cart",),
)
WELL = Facts(
    now=FOUR,
    read_through=FOUR,
    settings=Settings.model_validate(
        {"rules": {"abandoned_cart": {"mode": "live"}}, "sending": {"mode": "live"}},
    ),
    zones=(MADRID,),
    zone_from="profile",
    recipient=RecipientBody(),
    address="u1@example.test",
    words=(Word("marketing", "email", "granted", FOUR - DAY, 1),),
)
SHADOW = Settings.model_validate({"sending": {"mode": "live"}})
LISTED = Settings.model_validate({"rules": {"abandoned_cart": {"mode": "live"}}})
WITHDRAWN = Word("marketing", "sms", "withdrawn", FOUR - DAY, 7)
EARLIER = Contacted(FOUR - 2 * DAY, "push", "c", "churn_risk", 0, "m_0", engaged=True)
ABOUT: dict[str, Any] = {
    "purpose": "marketing.cart",
    "channel": "email",
    "rule": "abandoned_cart",
    "decided_at": FOUR,
}


def said(record: GateRecord) -> str:
    return gate_sentence(record, Moments(MADRID), ABOUT)


def test_when_all_is_well_the_telling_gates_have_their_facts() -> None:
    records = judge(MESSAGE, WELL)
    assert len(records) == len(ORDER)
    told = {record.gate: said(record) for record in records if record.gate in OPEN}
    assert told == {
        "consent": "consent #1",
        "quiet hours": "16:00 in Europe/Madrid (profile)",
        "budget": "budget 0 of 1 this week",
    }


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"cancelled": "nothing_to_say"}, "the rule had nothing to say any more"),
        (
            {"now": FOUR + 101 * DAY, "held_for": "budget"},
            "held for budget until it was too old, at Wed 3 Mar 2027 16:00",
        ),
        (
            {"read_through": FOUR - 5 * MINUTE},
            "nobody has read the log for 5m: an opt-out may stand in it unread",
        ),
        ({"sending_stopped": "ops@shop.example"}, "ops@shop.example stopped all sending"),
        ({"erased": True}, "the customer was erased"),
        ({"recipient": RecipientBody(do_not_contact="legal")}, "nobody may contact this customer: legal"),
        ({"address": None}, "no address for email is known"),
        ({"has_adapter": False}, "nothing sends email here: adapter none"),
        ({"suppressed": "bounced"}, "not to this address: bounced"),
        ({"unanswered_since": FOUR - HOUR}, "the owner of this address was asked at 15:00 and has not answered"),
        ({"words": ()}, "nobody has granted marketing.cart by email"),
        (
            {"words": (WITHDRAWN,)},
            "marketing.cart was withdrawn at Sun 16:00, entry #7; silent until Tue 22 Dec 2026 16:00 or a new grant",
        ),
        (
            {"words": (Word("marketing", "email", "withdrawn", FOUR - 40 * DAY, 7),)},
            "marketing.cart was withdrawn at Wed 14 Oct 2026 17:00, entry #7, and was not granted by email since",
        ),
        (
            {"address_withdrawn_at": FOUR - HOUR},
            "somebody with this address withdrew marketing.cart at 15:00",
        ),
        (
            {
                "words": (Word("marketing", "email", "granted", FOUR - 50 * DAY, 1),),
                "address_withdrawn_at": FOUR - 40 * DAY,
                "left_at": FOUR - 40 * DAY,
                "on_list_of": "mailchimp",
            },
            "marketing.cart was withdrawn with this address at Wed 14 Oct 2026 17:00; it stands on a list of mailchimp",
        ),
        (
            {"address_withdrawn_at": FOUR - HOUR, "left_at": FOUR - HOUR, "on_list_of": "mailchimp"},
            "marketing.cart was withdrawn with this address at 15:00, says a list of mailchimp; silent until Wed 23 Dec 2026 15:00",
        ),
        (
            {"suppressed": "bounced", "on_list_of": "mailchimp"},
            "not to this address: bounced; it stands on a list of mailchimp",
        ),
        ({"muted_rules": ("abandoned_cart",)}, "the customer wants no more abandoned_cart"),
        ({"paused_until": FOUR + 30 * DAY}, "the customer asked for a pause until Wed 23 Dec 2026 16:00"),
        ({"personalisation": "none"}, "abandoned_cart uses more than the customer allows: cart"),
        ({"recipient": RecipientBody(complaint_open=True)}, "a complaint is open"),
        (
            {"recipient": RecipientBody(rests=(Rest(FOUR + DAY, "late_delivery"),))},
            "marketing rests until Tue 16:00: late delivery",
        ),
        (
            {"recipient": RecipientBody(in_touch_until=FOUR + HOUR, in_touch_with="Anna")},
            "Anna is in touch with the customer until 17:00",
        ),
        (
            {"now": FOUR + 5 * HOUR, "read_through": FOUR + 5 * HOUR},
            "Quiet hours until Tue 09:00 in Europe/Madrid, from the profile",
        ),
        (
            {"contacts": (EARLIER,)},
            "1 of 1 contacts are used, the last by churn_risk; free again at Sat 16:00",
        ),
        (
            {"content_error": "email.en.html:3: items is missing"},
            "the template does not render: email.en.html:3: items is missing",
        ),
        ({"settings": SHADOW}, "abandoned_cart is in mode shadow: it decides, nothing leaves"),
        ({"settings": LISTED}, "the address is not on the allow-list"),
        (
            {"provider_until": FOUR + HOUR, "provider_detail": "421 busy"},
            "the provider cannot take it now: 421 busy",
        ),
    ],
)
def test_a_shut_gate_is_told_with_its_facts(facts: dict[str, Any], sentence: str) -> None:
    shut = judge(MESSAGE, replace(WELL, **facts))[-1]
    assert shut.verdict is not GateVerdict.OPEN
    assert said(shut) == sentence


def test_a_gap_is_told_with_what_left_last() -> None:
    loyal = replace(WELL, recipient=RecipientBody(segment="loyal"))
    last = Contacted(FOUR - HOUR, "email", "c", "churn_risk", 0, "m_0", engaged=True)
    shut = judge(MESSAGE, replace(loyal, contacts=(last,)))[-1]
    assert shut.reason is Reason.GAP
    assert said(shut) == "churn_risk left by email at 15:00; 16 h must lie between"


def test_what_others_at_the_address_have_used_up_is_told_as_theirs() -> None:
    """The customer's own story holds no such message."""
    last = Contacted(FOUR - HOUR, "email", "c", "churn_risk", 0, "m_0", engaged=True)
    loyal = replace(WELL, recipient=RecipientBody(segment="loyal"), address_contacts=(last,))
    assert said(judge(MESSAGE, loyal)[-1]) == (
        "churn_risk left by email at 15:00 to somebody else at this address; 16 h must lie between"
    )
    assert said(judge(MESSAGE, replace(WELL, address_contacts=(last,)))[-1]) == (
        "1 of 1 contacts with everybody at this address are used, the last by churn_risk; free again at Mon 30 Nov 2026 15:00"
    )


def test_a_topic_that_the_customer_wants_nothing_about_is_named() -> None:
    """They still want to hear of their basket."""
    about_tea = msgspec.structs.replace(MESSAGE, data={"categories": ["Tea"]})
    assert said(judge(about_tea, replace(WELL, muted_topics=("Tea",)))[-1]) == "the customer wants nothing about Tea"


def test_a_gift_that_is_kept_from_an_address_does_not_read_as_if_the_address_were_dead() -> None:
    gift = msgspec.structs.replace(MESSAGE, data={"gift": True})
    told = said(judge(gift, replace(WELL, address_shared=True))[-1])
    assert told == "not to this address: a gift, and others read along"
