"""The preference page's newer choices, and the pages behind "not about this" and "yes, write to me"."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from fakedesk import FakeDesk, FakePersonal
from fastapi import FastAPI

from tactful.clock import ManualClock
from tactful.settings import Shop
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.preferences import PREFERENCES
from tactful_dispatch.public import create_public

NOW = 1_795_000_000_000
LINKS = Links("https://hello.shop.example", b"key")
CARD = CustomerCard("u1", {"email": "uma@example.test"}, "Uma", "en", None, (), (), 0, False, ())


class Page:
    """The public pages over a desk."""

    def __init__(self, card: CustomerCard = CARD) -> None:
        self.desk = FakeDesk(card, NOW)
        app = FastAPI()
        app.include_router(create_public(self.desk, FakePersonal(), LINKS, ManualClock(NOW), Shop))
        self._transport = httpx.ASGITransport(app)

    async def ask(self, method: str, action: str, **form: str) -> httpx.Response:
        url = LINKS.url(Grant(action, "u1", "m_1", "email", "marketing.cart", "abandoned_cart"))
        async with httpx.AsyncClient(transport=self._transport, base_url="http://test") as client:
            return await client.request(method, url.removeprefix("https://hello.shop.example"), data=form or None)


@pytest.mark.parametrize(
    ("preference", "value"), [(name, value) for name, values in PREFERENCES.items() for value in values]
)
async def test_every_choice_is_a_button_and_is_carried_out(preference: str, value: str) -> None:
    page = Page()
    shown = await page.ask("GET", "preferences")
    assert f'<input type="hidden" name="do" value="{preference}">' in shown.text
    assert f'<button name="value" value="{value}"' in shown.text
    assert page.desk.calls == []
    done = await page.ask("POST", "preferences", do=preference, value=value)
    assert page.desk.calls == [("prefer", "u1", preference, value)]
    assert "Your choice: " in done.text


async def test_the_choice_that_stands_is_marked() -> None:
    shown = await Page(replace(CARD, hours="17:00-21:00", at_most_days=30)).ask("GET", "preferences")
    for value in ("17:00-21:00", "30", "full"):
        assert f'<button name="value" value="{value}" aria-pressed="true"' in shown.text


async def test_hours_in_which_the_shop_never_writes_are_offered_to_nobody_who_has_not_chosen_them() -> None:
    card = replace(CARD, hours_in_vain=("12:00-17:00", "17:00-21:00"), hours="17:00-21:00")
    shown = (await Page(card).ask("GET", "preferences")).text
    offered = [value for value in PREFERENCES["hours"] if f'<button name="value" value="{value}"' in shown]
    assert offered == ["", "09:00-12:00", "17:00-21:00"]


async def test_the_page_says_where_nobody_knows_whose_hours_they_are() -> None:
    assert "We do not know your time zone." not in (await Page().ask("GET", "preferences")).text
    assert (
        "We do not know your time zone."
        in (await Page(replace(CARD, hours_guessed=True)).ask("GET", "preferences")).text
    )


@pytest.mark.parametrize(
    "form", [{"do": "hours", "value": "03:00-04:00"}, {"do": "hours"}, {"do": "stopped_at", "value": "0"}]
)
async def test_a_choice_that_nobody_offers_changes_nothing(form: dict[str, str]) -> None:
    page = Page()
    assert (await page.ask("POST", "preferences", **form)).status_code == 400
    assert page.desk.calls == []


async def test_not_about_this_asks_which_of_the_messages_topics() -> None:
    page = Page()
    page.desk.about = ("Baby & Kids", "Garden")
    asked = await page.ask("GET", "about")
    assert '<button class="main" name="topic" value="Baby &amp; Kids">Baby &amp; Kids</button>' in asked.text
    assert page.desk.calls == []
    done = await page.ask("POST", "about", topic="Baby & Kids")
    assert page.desk.calls == [("mute_topic", "u1", "Baby & Kids", True)]
    assert "You hear nothing more about this: Baby &amp; Kids." in done.text


async def test_a_muted_topic_stands_on_the_page_with_a_way_back() -> None:
    page = Page(replace(CARD, muted_topics=("Garden",)))
    assert "Tell me again" in (await page.ask("GET", "preferences")).text
    await page.ask("POST", "preferences", do="unmute_topic", topic="Garden")
    assert page.desk.calls == [("mute_topic", "u1", "Garden", False)]


async def test_a_message_about_nothing_has_no_such_page() -> None:
    assert (await Page().ask("GET", "about")).status_code == 404


@pytest.mark.parametrize("topic", ["", " ", "\x00\u00a0"])
async def test_a_topic_that_is_none_is_refused(topic: str) -> None:
    page = Page()
    page.desk.about = ("Garden",)
    assert (await page.ask("POST", "about", topic=topic)).status_code == 400
    assert page.desk.calls == []


async def test_confirming_takes_one_button_and_is_recorded_with_its_proof() -> None:
    page = Page()
    page.desk.offer = ("marketing", "email")
    asked = await page.ask("GET", "confirm")
    assert "Offers and reminders, by e-mail." in asked.text
    assert page.desk.calls == []
    await page.ask("POST", "confirm", do="confirm")
    [call] = page.desk.calls
    assert call[:5] == ("consent", "u1", "marketing", "email", "granted")
    assert call[5:] == ("double-opt-in", "preference-page-2", {"message_id": "m_1"})


@pytest.mark.parametrize(
    ("language", "asked", "done"),
    [
        ("en", "Offers and reminders, on any channel.", "you get them on any channel from now on."),
        ("ru", "Предложения и напоминания, по любому каналу.", "теперь приходят по любому каналу."),
    ],
)
async def test_who_confirms_every_channel_is_told_so(language: str, asked: str, done: str) -> None:
    page = Page(replace(CARD, locale=language))
    page.desk.offer = ("marketing", "")
    assert asked in (await page.ask("GET", "confirm")).text
    assert done in (await page.ask("POST", "confirm", do="confirm")).text


@pytest.mark.parametrize("offer", [None, ("service.delivery", "email")])
async def test_a_message_that_offers_nothing_confirms_nothing(offer: tuple[str, str] | None) -> None:
    page = Page()
    page.desk.offer = offer
    assert (await page.ask("GET", "confirm")).status_code == 404
    assert (await page.ask("POST", "confirm", do="confirm")).status_code == 404
    assert page.desk.calls == []
