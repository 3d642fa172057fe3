"""Signed links open what they name, and nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.errors import InvalidInput
from tactful.identity import message_id, run_id
from tactful_dispatch.links import Grant, Links

LINKS = Links("https://hello.shop.example/", b"0123456789abcdef")
GRANT = Grant("click", "u1", "m_1", "email", "marketing.cart", "abandoned_cart", 3)


def refused(links: Links, token: str) -> bool:
    try:
        links.read(token)
    except InvalidInput as error:
        return error.code == "bad_link"
    return False


def test_a_link_gives_back_what_it_was_made_of() -> None:
    assert LINKS.read(LINKS.token(GRANT)) == GRANT


@given(st.builds(Grant, action=st.just("open"), customer=st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_customer_can_be_named_in_a_link(grant: Grant) -> None:
    assert LINKS.read(LINKS.token(grant)) == grant


@pytest.mark.parametrize(
    ("action", "letter"),
    [
        ("preferences", "p"),
        ("unsubscribe", "u"),
        ("mute", "n"),
        ("pause", "z"),
        ("open", "o"),
        ("click", "c"),
        ("cart", "r"),
    ],
)
def test_each_action_has_its_letter_under_the_public_url(action: str, letter: str) -> None:
    grant = Grant(action, "u1")
    assert LINKS.url(grant) == f"https://hello.shop.example/{letter}/{LINKS.token(grant)}"


def test_every_flipped_bit_of_a_token_is_refused() -> None:
    token = LINKS.token(GRANT).encode()
    for index in range(len(token)):
        for bit in range(8):
            flipped = bytearray(token)
            flipped[index] ^= 1 << bit
            assert refused(LINKS, flipped.decode("latin-1")), f"byte {index}, bit {bit}"


def test_every_flipped_bit_of_what_was_signed_is_refused() -> None:
    token = LINKS.token(GRANT)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for index in range(len(raw)):
        for bit in range(8):
            flipped = bytearray(raw)
            flipped[index] ^= 1 << bit
            assert refused(LINKS, base64.urlsafe_b64encode(flipped).rstrip(b"=").decode())


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_token_that_was_cut_short_is_refused(cut: int) -> None:
    assert refused(LINKS, LINKS.token(GRANT)[:-cut])


@given(st.text())
def test_nothing_but_a_token_is_a_token(text: str) -> None:
    assert refused(LINKS, text)


@pytest.mark.parametrize("spelling", ["=", "==", " ", "\n", "A"])
def test_a_second_spelling_of_the_same_token_is_refused(spelling: str) -> None:
    assert refused(LINKS, LINKS.token(GRANT) + spelling)


def test_a_link_of_another_shop_is_refused() -> None:
    assert refused(Links("https://hello.shop.example", b"fedcba9876543210"), LINKS.token(GRANT))


def test_a_link_for_another_action_is_refused() -> None:
    assert LINKS.read(LINKS.token(GRANT), "open", "click") == GRANT
    with pytest.raises(InvalidInput, match="use the one in your message"):
        LINKS.read(LINKS.token(GRANT), "unsubscribe")


def test_a_shop_that_moves_makes_links_to_its_new_address_and_reads_the_old_ones() -> None:
    address = ["https://old.shop.example"]
    links = Links(lambda: address[0], b"0123456789abcdef")
    before = links.url(GRANT)
    address[0] = "https://new.shop.example/"
    assert before.startswith("https://old.shop.example/")
    assert links.url(GRANT) == before.replace("old.", "new.")
    assert links.read(before.rsplit("/", 1)[1]) == GRANT


@given(st.binary(min_size=12, max_size=12), st.integers(0, 99))
def test_a_short_link_names_its_message_and_index(id: bytes, index: int) -> None:
    short = LINKS.short(f"m_{id.hex()}", index).rsplit("/", 1)[1]
    assert LINKS.read_short(short) == (f"m_{id.hex()}", index)


def test_a_short_link_cannot_be_made_by_whoever_knows_only_which_message_it_is_of() -> None:
    """The id is a plain hash of what anybody with a browser key may have chosen; the stored URL may be a signed one."""
    message = message_id(run_id("abandoned_cart", "u1", "", "page", "chosen"), 1, 2)
    made = base64.urlsafe_b64encode(bytes.fromhex(message.removeprefix("m_"))).decode()
    assert LINKS.read_short(made)[0] != message
    assert Links("https://hello.shop.example", b"fedcba9876543210").short(message, 0) != LINKS.short(message, 0)
