"""The preference page, and the pages that the links in a message lead to."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from typing import Final

import httpx
import pytest
from fakedesk import FakeDesk, FakePersonal
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tactful.clock import DAY, HOUR, ManualClock
from tactful.settings import Shop
from tactful_dispatch.desk import CustomerCard, SentMessage
from tactful_dispatch.facts import Word
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public import create_public

NOW: Final = 1_795_600_000_000  # Wed 25 Nov 2026, 09:46 UTC
LINKS: Final = Links("http://shop.test", b"0123456789abcdef")
CARD: Final = CustomerCard(
    customer="u1",
    addresses={"email": "uma.long@example.test", "sms": "+34600123467"},
    first_name="Uma",
    locale="en-GB",
    zone="Europe/Madrid",
    consents=(Word("marketing", "email", "granted", NOW - DAY, 1, "consent", "form-3", "checkout"),),
    muted_rules=(),
    paused_until=0,
    stopped=False,
    messages=(
        SentMessage("m_1", NOW - HOUR, "email", "abandoned_cart", "Your kettle", "Product Added", NOW - DAY, ("cart",)),
    ),
)
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(CARD, NOW)


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(desk) as client:
        yield client


def browser(desk: FakeDesk, **shop: str) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(create_public(desk, FakePersonal(), LINKS, ManualClock(NOW), lambda: Shop(**shop)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test")


def path(action: str) -> str:
    grant = Grant(action, "u1", "m_1", "email", "marketing.cart", "abandoned_cart")
    return LINKS.url(grant).removeprefix("http://shop.test")


class Page(HTMLParser):
    """A page as a browser reads it: its words, its tags, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words, self._open = "", list[str]()
        self.feed(html)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "hr", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words = " ".join(f"{self.words} {data}".split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


async def page(client: httpx.AsyncClient, action: str = "preferences") -> Page:
    return Page((await client.get(path(action))).text)


# What a GET does


@pytest.mark.parametrize("action", ["preferences", "unsubscribe", "mute", "pause"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(desk: FakeDesk, client: httpx.AsyncClient, action: str, method: str) -> None:
    answer = await client.request(method, path(action))
    assert answer.status_code == 200
    assert desk.calls == []


@pytest.mark.parametrize(
    ("action", "question", "buttons"),
    [
        ("unsubscribe", "no more offers or reminders by e-mail", 1),
        ("mute", "one kind of message: Basket reminders", 1),
        ("pause", "They start again by themselves", 2),
    ],
)
async def test_a_link_from_a_message_asks_one_question(
    client: httpx.AsyncClient, action: str, question: str, buttons: int
) -> None:
    asked = await page(client, action)
    assert question in asked.words
    assert len(asked.all("button")) == buttons


async def test_the_question_leads_on_to_all_choices(client: httpx.AsyncClient) -> None:
    link = next(a["href"] for a in (await page(client, "mute")).all("a") if (a["href"] or "").startswith("../p/"))
    assert "What we may write about" in (await client.get(f"http://shop.test/n/{link}")).text


# One click


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
async def test_one_click_unsubscribes_without_a_cookie_a_redirect_or_a_page(
    desk: FakeDesk, client: httpx.AsyncClient, encoding: str
) -> None:
    field = {"List-Unsubscribe": "One-Click"}
    answer = await (
        client.post(path("unsubscribe"), data=field)
        if encoding == "urlencoded"
        else client.post(path("unsubscribe"), files={name: (None, value) for name, value in field.items()})
    )
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers
    assert desk.calls == [("consent", "u1", "marketing", "email", "withdrawn", "one-click", "", {"message_id": "m_1"})]


@pytest.mark.parametrize("action", ["preferences", "mute", "pause"])
async def test_one_click_works_on_its_own_link_only(desk: FakeDesk, client: httpx.AsyncClient, action: str) -> None:
    answer = await client.post(path(action), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 400
    assert desk.calls == []


# Buttons


async def test_the_unsubscribe_button_says_what_was_done_and_what_still_comes(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    answer = await client.post(path("unsubscribe"), data={"do": "unsubscribe"})
    words = Page(answer.text).words
    assert answer.status_code == 200
    assert [call[2:5] for call in desk.calls] == [("marketing", "email", "withdrawn")]
    assert "Offers and reminders: you get no more of them by e-mail." in words
    assert "Messages about your orders still come." in words
    assert "reminders still come" not in words


async def test_a_form_cannot_make_more_of_a_link_than_it_allows(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    grab = {"do": "turn_on", "purpose": "marketing", "channel": "sms"}
    for action in ("unsubscribe", "mute", "pause"):
        assert (await client.post(path(action), data=grab)).status_code == 400
    assert desk.calls == []


async def test_the_mute_link_mutes_its_own_kind(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    answer = await client.post(path("mute"), data={"do": "mute", "rule": "another_rule"})
    assert desk.calls == [("mute", "u1", "abandoned_cart", True)]
    assert "You get no more messages of this kind: Basket reminders." in Page(answer.text).words


@pytest.mark.parametrize(("days", "date"), [(30, "25 December 2026"), (90, "23 February 2027")])
async def test_the_pause_link_pauses_for_the_days_of_its_button(
    desk: FakeDesk, client: httpx.AsyncClient, days: int, date: str
) -> None:
    answer = await client.post(path("pause"), data={"days": str(days)})
    assert desk.calls == [("pause", "u1", NOW + days * DAY)]
    words = Page(answer.text).words
    assert f"No offers or reminders until {date}." in words
    assert f"Paused until {date}." in words
    assert "reminders still come" not in words


async def test_after_muting_one_kind_the_others_still_come(client: httpx.AsyncClient) -> None:
    answer = await client.post(path("mute"), data={"do": "mute"})
    assert "Offers and reminders still come by e-mail." in Page(answer.text).words


async def test_a_switch_that_is_turned_on_is_consent_with_its_wording(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    answer = await client.post(
        path("preferences"), data={"do": "turn_on", "purpose": "marketing.cart", "channel": "sms"}
    )
    assert desk.calls == [
        (
            "consent",
            "u1",
            "marketing.cart",
            "sms",
            "granted",
            "preference-page",
            "preference-page-2",
            {"message_id": "m_1"},
        )
    ]
    words = Page(answer.text).words
    assert "Basket reminders: you get them by SMS from now on." in words
    assert "from now on. Offers and reminders still come by e-mail." in words
    assert "Basket reminders still" not in words, "they have just begun"


async def test_the_buttons_of_the_page_do_what_they_say(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    wishes = (
        {"do": "mute", "rule": "abandoned_cart"},
        {"do": "unmute", "rule": "abandoned_cart"},
        {"do": "pause", "days": "30"},
        {"do": "pause", "days": "0"},
        {"do": "stop"},
    )
    for wish in wishes:
        assert (await client.post(path("preferences"), data=wish)).status_code == 200
    assert desk.calls == [
        ("mute", "u1", "abandoned_cart", True),
        ("mute", "u1", "abandoned_cart", False),
        ("pause", "u1", NOW + 30 * DAY),
        ("pause", "u1", 0),
        ("stop_all", "u1", "preference-page", {"message_id": "m_1"}),
    ]


async def test_every_button_on_the_page_is_understood(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.kept = replace(CARD, muted_rules=("churn_risk",), paused_until=NOW + DAY)
    html = (await client.get(path("preferences"))).text
    forms = re.findall(r"<form.*?</form>", html, re.DOTALL)
    assert len(forms) >= 8
    for form in forms:
        fields = {str(tag["name"]): tag["value"] or "" for tag in (Page(form).all("input") + Page(form).all("button"))}
        action = str(Page(form).all("form")[0]["action"])
        assert (await client.post(f"http://shop.test/p/{action}", data=fields)).status_code == 200


# What the page shows


async def test_the_switches_show_what_is_on(client: httpx.AsyncClient) -> None:
    shown = [button["aria-checked"] for button in (await page(client)).all("button") if button.get("role") == "switch"]
    assert shown == ["true", "false"] * 2


async def test_a_withdrawal_is_explained_where_another_channel_is_still_on(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    withdrawn = Word("marketing", "sms", "withdrawn", NOW - HOUR, 2, "consent", "", "")
    desk.kept = replace(CARD, consents=(*CARD.consents, withdrawn))
    assert (await page(client)).words.count("until 25 December 2026 we stay silent") == 1


async def test_what_is_not_silent_is_called_silent_by_no_card_after_one_that_is(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    withdrawn = Word("marketing.cart", "sms", "withdrawn", NOW - HOUR, 2, "consent", "", "")
    wanted = Word("marketing.goodwill", "email", "granted", NOW - HOUR, 3, "consent", "", "")
    desk.kept = replace(CARD, consents=(*CARD.consents, withdrawn, wanted))
    assert (await page(client)).words.count("we stay silent") == 1


async def test_the_page_says_what_is_known_and_hides_most_of_the_addresses(client: httpx.AsyncClient) -> None:
    words = (await page(client)).words
    assert "First name Uma" in words
    assert "E-mail u•••@example.test" in words
    assert "Language English" in words
    assert "Time zone Europe/Madrid" in words
    assert "uma.long" not in words
    assert "600123" not in words


async def test_one_number_for_two_channels_is_told_once(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.kept = replace(CARD, addresses={"sms": "+34600123467", "email": "u@x.test", "call": "+34600123467"})
    assert "SMS · Phone calls +34 ••• 67 E-mail u•••@x.test Language" in (await page(client)).words


async def test_the_page_says_why_each_message_came(client: httpx.AsyncClient) -> None:
    assert (
        "Your kettle Wed 25 Nov 2026, 09:46 · by e-mail · Basket reminders "
        "It came because you put something in your basket on 24 November 2026. It used what is in your basket."
    ) in (await page(client)).words


async def test_somebody_of_whom_nothing_is_known_gets_a_page_too(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.kept = CustomerCard("u1", {}, None, "??", "Mars/Base", (), (), 0, False, ())
    words = (await page(client)).words
    assert "We have no address of yours" in words
    assert "We have not written to you yet." in words


@pytest.mark.parametrize("zone", ["", "Europe", "../../etc/passwd", "/etc/passwd", "\x00", "x" * 9999, "Mars/Base"])
async def test_a_zone_that_is_none_is_the_shops(desk: FakeDesk, client: httpx.AsyncClient, zone: str) -> None:
    desk.kept = replace(CARD, zone=zone)
    assert "Wed 25 Nov 2026, 09:46" in (await page(client)).words


async def test_once_stopped_the_page_says_how_to_come_back(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.kept = replace(CARD, stopped=True)
    assert "All offers and reminders are stopped. Turn one on above to change that." in (await page(client)).words


# Safety


EVIL: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}{0}"


async def test_no_field_can_bring_markup_into_the_page(desk: FakeDesk) -> None:
    desk.kept = CustomerCard(
        customer=EVIL,
        addresses={"email": EVIL, EVIL: EVIL},
        first_name=EVIL,
        locale=EVIL,
        zone=EVIL,
        consents=(Word(f"marketing.{EVIL}", "email", "granted", NOW, 1, EVIL, EVIL, EVIL),),
        muted_rules=(EVIL,),
        paused_until=NOW + DAY,
        stopped=False,
        messages=(SentMessage(EVIL, NOW, EVIL, EVIL, EVIL, EVIL, NOW, (EVIL,)),),
    )
    shop = Shop(name=EVIL, postal_address=EVIL, reply_to=EVIL)
    app = FastAPI()
    app.include_router(create_public(desk, FakePersonal(), LINKS, ManualClock(NOW), lambda: shop))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test") as client:
        for action in ("preferences", "unsubscribe", "mute", "pause"):
            html = (await client.get(path(action))).text
            shown = Page(html)
            assert not shown.all("script")
            assert not shown.all("img")
            assert "49" not in shown.words.replace("7*7", "")
    assert EVIL in unescape(html)


async def test_nothing_is_promised_where_nothing_can_arrive(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.kept = replace(CARD, shut=("email",))
    assert {switch["aria-checked"] for switch in (await page(client)).all("button") if "aria-checked" in switch} == {
        "false"
    }
    wish = {"do": "turn_on", "purpose": "marketing.cart", "channel": "email"}
    done = Page((await client.post(path("preferences"), data=wish)).text).words
    assert "nothing comes by e-mail for now" in done
    assert "from now on" not in done
    assert "still come by e-mail" not in done


async def test_one_may_write_to_a_shop_whose_mailbox_has_a_name(desk: FakeDesk) -> None:
    async with browser(desk, reply_to="Tea house <tea@shop.example>") as client:
        shown = await page(client)
    assert shown.all("a")[-1]["href"] == "mailto:tea@shop.example"


@pytest.mark.parametrize("action", ["preferences", "unsubscribe", "mute", "pause"])
async def test_a_page_loads_nothing_and_leaks_nothing(client: httpx.AsyncClient, action: str) -> None:
    answer = await client.get(path(action))
    shown = Page(answer.text)
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert answer.headers["content-security-policy"].startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert not any(tag in ("script", "link", "img", "iframe") for tag, _ in shown.tags)
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert not any(name == "style" or name.startswith("on") for _, attributes in shown.tags for name in attributes)


@pytest.mark.parametrize("letter", ["p", "u", "n", "z"])
async def test_every_flipped_byte_of_a_link_is_refused_with_words(
    desk: FakeDesk, client: httpx.AsyncClient, letter: str
) -> None:
    action = {"p": "preferences", "u": "unsubscribe", "n": "mute", "z": "pause"}[letter]
    token = path(action).rpartition("/")[2]
    for index, character in enumerate(token):
        changed = f"/{letter}/{token[:index]}{'A' if character != 'A' else 'B'}{token[index + 1 :]}"
        posted = await client.post(changed, data={"do": "unsubscribe", "List-Unsubscribe": "One-Click"})
        assert posted.status_code == (await client.get(changed)).status_code == 404
    assert "This link does not work" in posted.text
    assert desk.calls == []


async def test_a_form_larger_than_ours_is_not_read(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    answer = await client.post(path("preferences"), content=b"do=stop&x=" + b"x" * 17_000, headers=FORM)
    assert answer.status_code == 413
    assert desk.calls == []


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            "",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            'multipart/form-data; boundary="',
            "text/plain",
            "multipart/form-data; charset=no\xff; boundary=\xe9",
        ]
    ),
    st.sampled_from(["preferences", "unsubscribe", "mute", "pause"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
async def test_whatever_is_posted_is_refused_with_words(content: bytes, content_type: str, action: str) -> None:
    desk = FakeDesk(CARD, NOW)
    async with browser(desk) as client:
        for body in (content, b"--x\r\nContent-Disposition: form-data; name=" + content + b"\r\n\r\n1\r\n--x--"):
            headers = {b"content-type": content_type.encode("latin-1")}
            answer = await client.post(path(action), content=body, headers=headers)
            assert answer.status_code == 400
    assert desk.calls == []


@pytest.mark.parametrize("turn", ["turn_on", "turn_off"])
async def test_a_purpose_that_the_page_does_not_offer_is_refused_with_words(
    desk: FakeDesk, client: httpx.AsyncClient, turn: str
) -> None:
    wish = {"do": turn, "purpose": "marketing.made.up", "channel": "email"}
    assert (await client.post(path("preferences"), data=wish)).status_code == 400
    assert desk.calls == []


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data; boundary*=idna''x", "multipart/form-data; boundary*0=1; boundary*=2; boundary*9=3"],
)
async def test_a_form_that_the_mail_parser_stumbles_over_is_refused_with_words(
    desk: FakeDesk, client: httpx.AsyncClient, content_type: str
) -> None:
    answer = await client.post(path("mute"), content=b"--x--", headers={"content-type": content_type})
    assert (answer.status_code, desk.calls) == (400, [])


async def test_while_the_store_is_away_nothing_is_promised(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.closed = True
    looked = await client.get(path("preferences"))
    posted = await client.post(path("unsubscribe"), data={"List-Unsubscribe": "One-Click"})
    for answer in (looked, posted):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "Nothing was changed." in looked.text
    assert "We cannot say whether it was noted." in posted.text  # its reply alone may be lost


class Frozen(FakeDesk):
    """Over a store that does not answer."""

    def __init__(self) -> None:
        super().__init__(CARD, NOW)
        self.asked = asyncio.Event()

    async def consent(self, *arguments: object, **more: object) -> int:
        self.asked.set()
        return await asyncio.Future()


async def test_a_server_that_stops_meanwhile_says_that_nobody_can_tell() -> None:
    """uvicorn cancels what takes longer than its grace."""
    desk = Frozen()
    async with browser(desk) as client:
        asking = asyncio.create_task(client.post(path("unsubscribe"), data={"List-Unsubscribe": "One-Click"}))
        await desk.asked.wait()
        asking.cancel()
        answer = await asking
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "We cannot say whether it was noted." in answer.text


# For everybody


@pytest.mark.parametrize("action", ["preferences", "unsubscribe", "mute", "pause"])
async def test_a_page_can_be_read_aloud_and_worked_by_keyboard(client: httpx.AsyncClient, action: str) -> None:
    shown = await page(client, action)
    ids = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in shown.tags:
        assert set((attributes.get("aria-labelledby") or "").split()) <= set(ids)
    assert shown.all("html")[0]["lang"] == "en"
    assert len(shown.all("h1")) == len(shown.all("main")) == 1
    assert next(a for a in shown.all("a") if a.get("class") == "skip")["href"] == "#choices"
    assert "width=device-width" in str(shown.all("meta")[1]["content"])


async def test_what_was_done_is_the_first_thing_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(path("preferences"), data={"do": "stop"})
    shown = Page(answer.text)
    assert shown.words.startswith("Done: All offers and reminders are stopped, on every channel. · Sample shop")
    assert any(section.get("role") == "status" and "autofocus" in section for section in shown.all("section"))


async def test_nothing_is_promised_where_no_address_is_known(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    said = Word("marketing", "sms", "granted", NOW - DAY, 2, "consent", "", "")
    desk.kept = replace(CARD, addresses={"email": "uma@example.test"}, consents=(*CARD.consents, said))
    wish = {"do": "turn_on", "purpose": "marketing.cart", "channel": "sms"}
    done = Page((await client.post(path("preferences"), data=wish)).text).words
    assert "nothing comes by SMS for now: we have no address" in done
    assert "still come by e-mail." in done


async def test_who_has_a_complaint_open_is_told_that_nothing_is_advertised_until_it_is_settled(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    desk.kept = replace(CARD, complaint_open=True)
    done = Page((await client.post(path("preferences"), data={"do": "mute", "rule": "abandoned_cart"})).text).words
    assert "Until your complaint is settled there are no offers or reminders." in done
    assert "still come by e-mail" not in done


async def test_who_turns_something_on_during_a_pause_is_told_until_when_it_lasts(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    desk.kept = replace(CARD, paused_until=NOW + 30 * DAY)
    wish = {"do": "turn_on", "purpose": "marketing.cart", "channel": "email"}
    done = Page((await client.post(path("preferences"), data=wish)).text).words
    assert done.count("No offers or reminders until 25 December 2026.") == 1
    paused = Page((await client.post(path("preferences"), data={"do": "pause", "days": "30"})).text).words
    assert paused.count("No offers or reminders until 25 December 2026.") == 2, "and in the title"


@pytest.mark.parametrize(("name", "greeting"), [("Jos&eacute;", "Hello José."), ("  ", ""), ("Ф" * 41, "")])
async def test_the_page_calls_the_customer_as_letters_do(name: str, greeting: str) -> None:
    async with browser(FakeDesk(replace(CARD, first_name=name), NOW)) as client:
        lead = Page((await client.get(path("preferences"))).text).words.partition("Choose what")[0]
    assert lead.rpartition("Your messages from Sample shop")[2].strip() == greeting


async def test_a_category_is_read_as_it_is_meant_and_muted_as_the_shop_posts_it(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.about = ("Tea &amp; coffee",)
    assert "Tea & coffee" in Page((await client.get(path("about"))).text).words
    done = Page((await client.post(path("about"), data={"topic": "Tea &amp; coffee"})).text).words
    assert desk.calls == [("mute_topic", "u1", "Tea &amp; coffee", True)]
    assert (done.count("Tea & coffee"), done.count("&amp;")) == (3, 0), (
        "in the title, as done, and among what is left out"
    )


async def test_whoever_hears_the_page_is_told_what_each_button_of_a_list_is_about() -> None:
    card = replace(CARD, muted_rules=("churn_risk",), muted_topics=("Tea", "Coffee"))
    async with browser(FakeDesk(card, NOW)) as client:
        tags = Page((await client.get(path("preferences"))).text).tags
    named = {attributes["id"] for _, attributes in tags if "id" in attributes}
    wishes = ("mute", "unmute", "unmute_topic")
    told = [tag.get("aria-describedby") for name, tag in tags if name == "button" and tag.get("value") in wishes]
    assert told == ["kind-1", "kind-2", "muted-1", "muted-2"]
    assert set(told) <= named
