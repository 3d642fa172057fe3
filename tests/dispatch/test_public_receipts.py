"""The open pixel, tracked links and the way back to the basket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from fakedesk import FakeDesk, FakePersonal
from fastapi import FastAPI

from tactful.clock import ManualClock
from tactful.settings import Shop
from tactful_dispatch.desk import Basket, CustomerCard
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public import create_public

NOW: Final = 1_795_600_000_000
LINKS: Final = Links("http://shop.test", b"0123456789abcdef")
PERSON: Final = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15"}
FRONT: Final = "https://myshop.example/"
URL: Final = "https://shop.example/p1?colour=blue&utm=1"


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk(CustomerCard("u1", {}, None, None, None, (), (), 0, False, ()), NOW)
    desk.targets = {("m_1", 0): URL, ("m_1", 1): "javascript:alert(1)", ("m_1", 2): "//evil.example"}
    return desk


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(
        create_public(
            desk, FakePersonal(), LINKS, ManualClock(NOW), lambda: Shop(url=FRONT, public_url="http://shop.test")
        )
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test", headers=PERSON) as client:
        yield client


def path(action: str, message_id: str = "m_1", target: int = 0) -> str:
    return LINKS.url(Grant(action, "u1", message_id, target=target)).removeprefix("http://shop.test")


async def test_a_loaded_pixel_reports_that_the_message_was_opened(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    answer = await client.get(path("open"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a\x01\x00\x01\x00")
    assert answer.headers["cache-control"] == "no-store"
    assert desk.calls == [("receipt", "m_1", "Message Opened", {"prefetched": False})]


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "Mozilla/5.0"},
        {"user-agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"},
        {"user-agent": "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"},
        {"user-agent": ""},
        {**PERSON, "sec-purpose": "prefetch;prerender"},
        {**PERSON, "purpose": "prefetch"},
    ],
)
async def test_a_machine_that_fetches_ahead_is_reported_as_one(
    desk: FakeDesk, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await client.get(path("open"), headers=headers)
    assert desk.calls == [("receipt", "m_1", "Message Opened", {"prefetched": True})]


@pytest.mark.parametrize(
    ("action", "told"), [("open", ("Message Opened", {})), ("click", ("Message Clicked", {"url": URL}))]
)
@pytest.mark.parametrize(
    ("agent", "machine"),
    [
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", True),
        ("WhatsApp/2.23.20.0 A", True),
        ("TelegramBot (like TwitterBot)", True),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", True),
        ("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", True),
        ("Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)", True),
        ("Mozilla/5.0 (compatible; YandexImageResizer/2.0; +http://yandex.com/bots)", True),
        ("http.rb/5.1.1 (Mastodon/4.2.1; +https://example.social/)", True),
        ("curl/8.5.0", True),
        ("python-requests/2.32.3", True),
        ("Python/3.12 aiohttp/3.10.5", True),
        ("Go-http-client/1.1", True),
        ("Java/17.0.9", True),
        ("Wget/1.21.4", True),
        ("Apache-HttpClient/4.5.13 (Java/11.0.20)", True),
        ("Barracuda Sentinel (EE)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0.0.0 Safari/537.36", True),
        ("Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b", True),
        ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", False),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)", False),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/86.0 Mobile Safari/537.36", False),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 [FB_IAB/FB4A;FBAV/400.0]", False),
    ],
)
async def test_who_only_looks_at_a_link_to_show_or_index_it_is_no_person(
    desk: FakeDesk, client: httpx.AsyncClient, action: str, told: tuple[str, dict[str, str]], agent: str, machine: bool
) -> None:
    await client.get(path(action), headers={"user-agent": agent})
    assert desk.calls == [("receipt", "m_1", told[0], {**told[1], "prefetched": machine})]


@pytest.mark.parametrize("token", ["x", "%00", "%F0%9F%98%80", "a" * 4000])
async def test_a_bad_pixel_link_still_gives_a_picture(desk: FakeDesk, client: httpx.AsyncClient, token: str) -> None:
    answer = await client.get(f"/o/{token}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert desk.calls == []


async def test_the_picture_comes_even_when_the_store_is_away(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.closed = True
    assert (await client.get(path("open"))).headers["content-type"] == "image/gif"


async def test_a_click_goes_on_to_the_stored_url_and_is_reported(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    answer = await client.get(path("click"))
    assert (answer.status_code, answer.headers["location"]) == (302, URL)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert desk.calls == [("receipt", "m_1", "Message Clicked", {"url": URL, "prefetched": False})]


@pytest.mark.parametrize("action", ["open", "click", "cart"])
async def test_a_link_checker_that_only_asks_for_the_head_reports_nothing(
    desk: FakeDesk, client: httpx.AsyncClient, action: str
) -> None:
    answer = await client.head(path(action))
    assert answer.status_code in (200, 302)
    assert desk.calls == []


@pytest.mark.parametrize("bad", [path("click", target=1), path("click", target=2), path("click", target=9), "/c/x"])
async def test_no_click_leads_anywhere_but_to_a_stored_web_address(
    desk: FakeDesk, client: httpx.AsyncClient, bad: str
) -> None:
    answer = await client.get(bad, params={"url": "https://evil.example", "next": "https://evil.example"})
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "This link does not work" in answer.text
    assert desk.calls == []


async def test_every_flipped_byte_of_a_click_link_leads_nowhere(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    token = path("click").removeprefix("/c/")
    for index, character in enumerate(token):
        changed = token[:index] + ("A" if character != "A" else "B") + token[index + 1 :]
        assert (await client.get(f"/c/{changed}")).status_code == 404
    assert desk.calls == []


async def test_a_link_made_for_one_thing_opens_no_other(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    token = path("open").removeprefix("/o/")
    for letter in "cruznp":
        assert (await client.get(f"/{letter}/{token}")).status_code == 404
    assert desk.calls == []


async def test_the_basket_link_goes_to_the_basket_and_counts_as_a_click(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    answer = await client.get(path("cart"))
    assert (answer.status_code, answer.headers["location"]) == (302, URL)
    assert [call[2] for call in desk.calls] == ["Message Clicked"]


async def test_a_basket_link_without_a_basket_goes_to_the_shop(client: httpx.AsyncClient) -> None:
    assert (await client.get(path("cart", "m_2"))).headers["location"] == FRONT


async def test_a_basket_link_that_is_the_first_of_its_message_does_not_lead_back_to_itself(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    desk.targets[("m_1", 0)] = f"http://elsewhere.test{path('cart')}"  # as a text has it; the shop has moved since
    assert (await client.get(path("cart"))).headers["location"] == FRONT


async def test_who_comes_without_a_link_is_shown_to_the_shop(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"], desk.calls) == (302, FRONT, [])


async def test_a_click_while_the_store_is_away_asks_to_come_back(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    desk.closed = True
    answer = await client.get(path("click"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "try again in a minute" in answer.text


CART_URL: Final = "https://myshop.example/cart?id={cart_id}&items={items}"


def client_of(desk: FakeDesk, now: int = NOW) -> httpx.AsyncClient:
    app = FastAPI()
    shop = Shop(url=FRONT, public_url="http://shop.test", cart_url=CART_URL)
    app.include_router(create_public(desk, FakePersonal(), LINKS, ManualClock(now), lambda: shop))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test", headers=PERSON)


async def test_the_button_of_a_reminder_fills_the_basket_on_any_device(desk: FakeDesk) -> None:
    desk.contents = Basket("c/1", (("p 1", 2), ("p2", 1)), NOW)
    async with client_of(desk) as client:
        answer = await client.get(path("cart"))
    assert answer.headers["location"] == "https://myshop.example/cart?id=c%2F1&items=p%201:2,p2:1"
    assert desk.calls[0][:3] == ("receipt", "m_1", "Message Clicked")


async def test_after_seven_days_the_button_leads_to_the_front_page(desk: FakeDesk) -> None:
    desk.contents = Basket("c1", (("p1", 1),), NOW)
    async with client_of(desk, NOW + 8 * 86_400_000) as client:
        assert (await client.get(path("cart"))).headers["location"] == FRONT


async def test_a_short_link_leads_to_the_stored_url_and_is_reported(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    name = "m_0123456789abcdef01234567"
    desk.targets[(name, 0)], desk.targets[(name, 12)] = URL, f"{URL}&n=12"
    for index, target in ((0, URL), (12, f"{URL}&n=12")):
        short = LINKS.short(name, index)
        assert len(short) <= len("http://shop.test/s/") + 18
        answer = await client.get(short.removeprefix("http://shop.test"))
        assert (answer.status_code, answer.headers["location"]) == (302, target)
    assert [call[1:3] for call in desk.calls] == [(name, "Message Clicked")] * 2


async def test_no_short_link_ends_in_a_hyphen_and_those_that_did_are_still_found(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    names = (f"m_{number:024x}" for number in range(1000))
    name, short = next((name, short) for name in names if (short := LINKS.short(name, 0)).endswith("-0"))
    desk.targets[(name, 0)] = URL
    for link in (short, short.removesuffix("0")):
        answer = await client.get(link.removeprefix("http://shop.test"))
        assert (answer.status_code, answer.headers["location"]) == (302, URL)


@pytest.mark.parametrize("token", ["x", "A" * 15, "A" * 16, "A" * 16 + "0", "A" * 16 + "123", "%00" * 16])
async def test_a_short_link_that_leads_nowhere_says_so(desk: FakeDesk, client: httpx.AsyncClient, token: str) -> None:
    assert (await client.get(f"/s/{token}")).status_code == 404
    assert desk.calls == []


def test_a_message_without_a_hashed_name_gets_a_long_link() -> None:
    assert LINKS.short("m_1", 0).startswith("http://shop.test/c/")
