"""Composing a message: what it says, and what it refuses to say."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.channels import DESK
from tactful.errors import InvalidInput
from tactful_dispatch.channels import Envelope
from tactful_dispatch.channels.mail import compose
from tactful_dispatch.content import Rendered

NOW = 1_795_000_000_000
ENVELOPE = Envelope(
    message_id="m_1",
    customer="u1",
    channel="email",
    address="uma@example.test",
    sender="Sample shop <hello@shop.example>",
    reply_to="people@shop.example",
    rendered=Rendered("Your Blue kettle is still here", "A kettle waits.\n", "<p>A kettle waits.</p>"),
    one_click_url="https://shop.example/u/" + "a" * 300,
)


def parsed(envelope: Envelope) -> EmailMessage:
    message = message_from_bytes(bytes(compose(envelope, NOW)), policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def with_subject(subject: str) -> Envelope:
    return replace(ENVELOPE, rendered=replace(ENVELOPE.rendered, subject=subject))


def test_a_message_has_a_text_part_and_an_html_part() -> None:
    message = parsed(ENVELOPE)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert message.get_content_type() == "multipart/alternative"
    assert text is not None
    assert text.get_content().strip() == "A kettle waits."
    assert html is not None
    assert html.get_content().strip() == "<p>A kettle waits.</p>"


def test_a_message_without_html_is_plain_text() -> None:
    assert parsed(replace(ENVELOPE, rendered=Rendered("S", "T"))).get_content_type() == "text/plain"


def test_the_message_id_is_ours_and_the_same_at_every_attempt() -> None:
    assert compose(ENVELOPE, NOW).message_id == compose(ENVELOPE, NOW + 1).message_id == "<m_1@shop.example>"
    assert parsed(ENVELOPE)["Message-ID"] == "<m_1@shop.example>"


def test_marketing_carries_both_headers_of_one_click_unsubscribe_with_the_url_unfolded() -> None:
    raw = bytes(compose(ENVELOPE, NOW))
    assert f"\r\nList-Unsubscribe: <{ENVELOPE.one_click_url}>\r\n".encode() in raw
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


@pytest.mark.parametrize("length", [979, 980, 1500, 3000])
def test_a_url_that_no_line_may_hold_is_folded_and_read_as_it_was(length: int) -> None:
    url = "https://hello.shop.example/u/".ljust(length - 2, "x")
    raw = bytes(compose(replace(ENVELOPE, one_click_url=url), NOW))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    header = message_from_bytes(raw)["List-Unsubscribe"]
    assert ("\n" in header, "".join(header.split())) == (length > 980, f"<{url}>")


def test_a_service_message_has_no_unsubscribe_header() -> None:
    assert b"List-Unsubscribe" not in bytes(compose(replace(ENVELOPE, one_click_url=""), NOW))


def test_automatic_answers_are_asked_not_to_come() -> None:
    assert parsed(ENVELOPE)["Auto-Submitted"] == "auto-generated"


def test_a_ticket_robot_at_the_shop_is_not_asked_to_stay_silent() -> None:
    assert "Auto-Submitted" not in parsed(replace(ENVELOPE, channel=DESK))


def test_the_date_is_the_instant_that_was_given() -> None:
    assert parsed(ENVELOPE)["Date"] == "Wed, 18 Nov 2026 11:06:40 +0000"


def test_names_and_subjects_in_any_script_come_through() -> None:
    message = parsed(replace(with_subject("Ваш чайник ждёт вас, " * 5), sender='"Лавка, дом чая" <hello@shop.example>'))
    assert message["Subject"] == "Ваш чайник ждёт вас, " * 5
    assert message["From"].addresses[0].display_name == "Лавка, дом чая"


SAID = """
Наталья, в корзине: Чайник заварочный стеклянный с ситечком 3 990 ₽ — Uma, tu tetera azul (Ñandú) sigue aquí ¿olvidaste
algo? Hello; your kettle: it's "here" ☕ 👩\u200d👩\u200d👧 🫖🫖 https://shop.example/a-kettle-with-a-very-long-name
"""
WORDS = st.sampled_from(SAID.split())


@given(st.lists(WORDS, min_size=1, max_size=20).map(" ".join))
def test_a_subject_is_read_as_it_was_written_wherever_its_lines_end(subject: str) -> None:
    raw = bytes(compose(with_subject(subject), NOW))
    assert message_from_bytes(raw, policy=SMTP)["Subject"] == subject
    assert max(map(len, raw.partition(b"\r\nDate:")[0].split(b"\r\n"))) <= 78


@given(st.lists(WORDS.map(lambda word: word.replace('"', "")), min_size=1, max_size=12).map(" ".join))
def test_a_sender_has_one_mailbox_and_its_name_however_long_that_is(name: str) -> None:
    message = compose(replace(ENVELOPE, sender=f'"{name}" <hello@shop.example>'), NOW)
    written = message_from_bytes(bytes(message))["From"]
    words, address = parseaddr(written.replace("\r\n", ""))
    assert (str(make_header(decode_header(words))), address) == (name, "hello@shop.example")


def test_a_subject_of_many_russian_words_keeps_the_blanks_between_them() -> None:
    subject = "Наталья, в корзине: Чайник заварочный стеклянный с ситечком"
    assert parsed(with_subject(subject))["Subject"] == subject


def test_a_long_name_with_commas_is_one_mailbox() -> None:
    name = "Teapots, kettles, cups, saucers, spoons, strainers, and everything else for tea"
    assert len(parsed(replace(ENVELOPE, sender=f'"{name}" <hello@shop.example>'))["From"].addresses) == 1


@pytest.mark.parametrize("name", ['The "Tea" house, Madrid', "Tea \\ house", '"'])
def test_a_quoted_name_may_hold_quotes(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    sender = parsed(replace(ENVELOPE, sender=f'"{quoted}" <hello@shop.example>'))["From"]
    assert sender.addresses[0].display_name == name


@pytest.mark.parametrize(
    ("domain", "wire"),
    [
        ("почта.рф", "xn--80a1acny.xn--p1ai"),
        ("straße.example", "xn--strae-oqa.example"),
        ("post.Gießen.example", "post.xn--gieen-nqa.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
    ],
)
def test_a_domain_in_another_script_is_written_in_ascii_and_stays_the_same_domain(domain: str, wire: str) -> None:
    assert compose(replace(ENVELOPE, address=f"ivan@{domain}"), NOW).recipient == f"ivan@{wire}"


INJECTIONS = [
    "Hello\r\nBcc: x@evil.example",
    "Hello\nBcc: x@evil.example",
    "Hello\rBcc: x@evil.example",
    "Hello\x85Bcc: x@evil.example",
    "Hello\u2028Bcc: x@evil.example",
    "Hello\x00",
    "Hello\ud800",
    "=?utf-8?b?SGkNCkJjYzogeEBldmlsLmV4YW1wbGU=?=",
    "=?utf-8?q?Hi=0D=0ABcc:_x@evil.example?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3FHi=3D0ABcc:_x=3F=3D?=",
    "a =?utf-8?q?b?= =?utf-8?q?=0A?= c",
    "=?no-such-charset?q?x?=",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_value_can_add_a_header(text: str) -> None:
    attempts = (
        with_subject(text),
        replace(ENVELOPE, sender=f"{text} <hello@shop.example>"),
        replace(ENVELOPE, reply_to=f"{text} <hello@shop.example>"),
        replace(ENVELOPE, address=f"{text} <uma@example.test>"),
        replace(ENVELOPE, message_id=text),
        replace(ENVELOPE, one_click_url=text),
    )
    for envelope in attempts:
        with pytest.raises(InvalidInput) as refused:
            compose(envelope, NOW)
        assert refused.value.code == "unsafe_header"


@given(st.text(), st.booleans())
def test_whatever_the_subject_holds_the_headers_stay_the_same_ones(text: str, as_encoded_word: bool) -> None:
    try:
        subject = Header(text, "utf-8").encode() if as_encoded_word else text
        message = parsed(with_subject(subject))
    except (InvalidInput, UnicodeEncodeError):
        return
    assert message.keys() == parsed(ENVELOPE).keys()
    assert message["To"] == "uma@example.test"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "uma",
        "@example.test",
        "uma@",
        "uma@@example.test",
        "a@b, c@d",
        "uma@example.test>",
        "uma@-example.test",
        "uma@exam ple.test",
        "uma..x@example.test",
        '"uma x"@example.test',
        "ума@example.test",
        "u" * 65 + "@example.test",
        "uma@" + "a." * 200 + "test",
        "uma@" + "a" * 64 + ".test",
    ],
)
def test_what_is_not_an_address_is_refused_and_the_field_named(address: str) -> None:
    for change in ({"address": address}, {"sender": address}, {"reply_to": address or "x"}):
        with pytest.raises(InvalidInput) as refused:
            compose(replace(ENVELOPE, **change), NOW)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.field) == ("bad_address", next(iter(change)))


def test_half_a_character_in_the_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="half a character"):
        compose(replace(ENVELOPE, rendered=Rendered("S", "\ud83d")), NOW)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_every_line_is_short_ascii_and_ends_as_smtp_wants_it(text: str, html: str) -> None:
    raw = bytes(compose(replace(ENVELOPE, one_click_url="", rendered=Rendered("S", text, html)), NOW))
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
