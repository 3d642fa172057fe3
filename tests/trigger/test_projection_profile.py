"""Who the customer is, whatever the order in which it was told."""

from __future__ import annotations

from folding import at, by_time, folded, scripts
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from tactful.customer import Profile
from tactful.events import CustomerFlagged, Event, Identify
from tactful_trigger.projections.profile import ProfileProjection

PROFILE = ProfileProjection()


def profile(*events: Event) -> Profile:
    return folded(PROFILE, events)


words = st.sampled_from(["", "one", "two"])
news: st.SearchStrategy[Event] = st.one_of(
    st.builds(Identify, email=words, phone=words, first_name=words, timezone=words),
    st.builds(CustomerFlagged, reason=words),
)


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    return [
        at(event.meta.occurred_at, event, scope=draw(st.sampled_from(["server", "browser", "visitor"])))
        for event in draw(scripts(news))
    ]


@given(stories())
def test_the_state_does_not_depend_on_the_order_of_arrival(arrivals: list[Event]) -> None:
    assert folded(PROFILE, arrivals) == folded(PROFILE, by_time(arrivals))


@given(stories(), stories(), stories())
def test_a_merge_of_three_does_not_depend_on_which_two_come_first(
    one: list[Event], two: list[Event], three: list[Event]
) -> None:
    a, b, c = folded(PROFILE, one), folded(PROFILE, two), folded(PROFILE, three)
    assert PROFILE.merge(PROFILE.merge(a, b), c) == PROFILE.merge(a, PROFILE.merge(b, c))


def test_each_field_is_what_was_said_last() -> None:
    state = profile(
        at(1, Identify(email="old@example.test", first_name="Uma")), at(2, Identify(email="new@example.test"))
    )
    assert (state.email, state.first_name) == ("new@example.test", "Uma")


def test_a_late_identify_does_not_undo_a_later_one() -> None:
    state = profile(
        at(2, Identify(email="new@example.test")), at(1, Identify(email="old@example.test", first_name="Uma"))
    )
    assert (state.email, state.first_name) == ("new@example.test", "Uma")


def test_the_trait_timezone_is_the_zone() -> None:
    assert profile(at(1, Identify(timezone="Europe/Lisbon"))).zone == "Europe/Lisbon"


def test_addresses_from_a_browser_are_only_claimed() -> None:
    addresses = {"email": "uma@example.test", "phone": "+34600123456", "push_token": "t0ken"}
    state = profile(at(1, convert(addresses, Identify), scope="browser"))
    assert (state.email, state.phone, state.push_token, state.claimed) == ("", "", "", addresses)


def test_a_later_claim_leaves_a_vouched_address_alone() -> None:
    vouched = at(1, Identify(email="uma@example.test"))
    claim = at(2, Identify(email="mallory@example.test"), scope="browser")
    state = profile(vouched, claim, at(1, Identify(email="again@example.test")))
    assert (state.email, state.claimed) == ("again@example.test", {"email": "mallory@example.test"})


def test_a_browser_may_say_the_name_until_a_server_does() -> None:
    said, forged = Identify(first_name="Uma"), Identify(first_name="WIN 1000 EUR at evil.example")
    assert profile(at(1, said, scope="browser")).first_name == "Uma"
    assert profile(at(1, said, scope="browser"), at(2, Identify(first_name="Ada"))).first_name == "Ada"
    assert profile(at(1, said), at(2, forged, scope="browser")).first_name == "Uma"


def test_the_language_of_a_browser_stands_until_somebody_says_one() -> None:
    said, browser = Identify(locale="ru"), Identify(locale="en-US", implied=("locale",))
    assert (
        profile(at(1, browser, scope="browser"), at(2, Identify(locale="fr-FR", implied=("locale",)))).locale == "fr-FR"
    )
    for arrivals in ((at(1, said), at(2, browser, scope="browser")), (at(2, browser, scope="browser"), at(1, said))):
        assert profile(*arrivals).locale == "ru"
    assert profile(at(1, browser), at(2, Identify(locale="es"), scope="browser")).locale == "es"


def test_what_is_said_of_a_visitor_fills_up_what_no_server_has_said_of_the_customer() -> None:
    visitor = Identify(email="eve@example.test", first_name="Eve", timezone="Asia/Tokyo")
    known = at(1, Identify(email="uma@example.test", first_name="Uma"))
    for arrivals in ((known, at(2, visitor, scope="visitor")), (at(2, visitor, scope="visitor"), known)):
        state = profile(*arrivals)
        assert (state.email, state.first_name, state.zone) == ("uma@example.test", "Uma", "Asia/Tokyo")
    assert profile(known, at(2, Identify(unset=("email",)), scope="visitor")).email == "uma@example.test"


def test_a_server_takes_an_address_back_and_a_browser_only_its_own_claim() -> None:
    known = at(1, Identify(email="uma@example.test", phone="+34600000000"))
    gone = Identify(unset=("email",))
    assert profile(known, at(2, gone)).email == ""
    assert profile(known, at(2, gone)).phone == "+34600000000"
    assert profile(known, at(2, gone, scope="browser")).email == "uma@example.test"
    assert profile(at(2, gone), known).email == ""


def test_the_same_word_again_is_no_change() -> None:
    state = profile(at(1, Identify(email="uma@example.test")))
    assert PROFILE.fold(state, at(1, Identify(email="uma@example.test"))) == state


def test_a_flag_holds_until_it_is_lifted() -> None:
    flagged = at(1, CustomerFlagged(reason="legal"))
    assert profile(flagged).flags == {"do_not_contact": "legal"}
    assert profile(flagged, at(2, CustomerFlagged(reason=""))).flags == {}


def test_a_lifting_from_before_the_flag_lifts_nothing() -> None:
    lifting = at(1, CustomerFlagged(reason=""))
    assert profile(at(2, CustomerFlagged(reason="legal")), lifting).flags == {"do_not_contact": "legal"}


def test_a_merge_fills_up_what_is_not_known() -> None:
    mine = profile(at(5, Identify(email="uma@example.test")))
    theirs = profile(at(9, Identify(email="other@example.test", first_name="Uma")))
    merged = PROFILE.merge(mine, theirs)
    assert (merged.email, merged.first_name) == ("uma@example.test", "Uma")


def test_a_merge_brings_back_no_address_that_was_taken_back_since() -> None:
    visitor = profile(at(1, Identify(email="uma@example.test", phone="+34600000000")))
    known = profile(at(2, Identify(phone="+34600000000")), at(5, Identify(unset=("email", "phone"))))
    merged = PROFILE.merge(known, visitor)
    assert (merged.email, merged.phone) == ("", "")
    assert PROFILE.fold(merged, at(3, Identify(email="uma@example.test"))).email == "", "nor does what is heard late"


def test_an_address_that_was_said_after_another_was_taken_back_is_filled_in_by_a_merge() -> None:
    known = profile(at(1, Identify(email="old@example.test")), at(5, Identify(unset=("email",))))
    merged = PROFILE.merge(known, profile(at(9, Identify(email="new@example.test"))))
    assert merged.email == "new@example.test"
    assert PROFILE.fold(merged, at(7, Identify(email="old@example.test"))).email == "new@example.test"


def test_a_flag_of_either_holds_after_a_merge() -> None:
    flagged = profile(at(1, CustomerFlagged(reason="deceased")))
    assert PROFILE.merge(Profile(), flagged).flags == {"do_not_contact": "deceased"}
    assert PROFILE.merge(flagged, Profile()).flags == {"do_not_contact": "deceased"}
