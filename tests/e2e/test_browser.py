"""The inbox and the customer's pages in a real browser: narrow and wide, light and dark, and nothing leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from devserver import Server, dev_server
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect
from shopper import KETTLE, TEA, Shopper

pytestmark = [pytest.mark.surroundings, pytest.mark.xdist_group("browser")]

LOOKS = [(390, "dark"), (1280, "light")]


class Visitor:
    """One window, and everything in it that should not have happened."""

    def __init__(self, browser: Browser, server: Server, width: int, scheme: str) -> None:
        look: Literal["dark", "light"] = "dark" if scheme == "dark" else "light"
        self.context = browser.new_context(
            base_url=server.url, viewport={"width": width, "height": 844}, color_scheme=look
        )
        self.trouble: list[str] = []
        self.context.on("request", self._requested)
        self.context.on("console", self._said)
        self.page = self.context.new_page()

    def _requested(self, request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1" and not request.url.startswith(("data:", "about:")):
            self.trouble.append(f"asked for {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.trouble.append(f"{message.type}: {message.text}")


@contextmanager
def visiting(browser: Browser, server: Server, width: int, scheme: str) -> Iterator[Page]:
    """A window that ends without trouble or fails."""
    visitor = Visitor(browser, server, width, scheme)
    try:
        yield visitor.page
        assert visitor.trouble == []
    finally:
        visitor.context.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with nothing in it."""
    running = dev_server(tmp_path)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_from_the_empty_inbox_to_unsubscribed(browser: Browser, server: Server, width: int, scheme: str) -> None:
    with visiting(browser, server, width, scheme) as page:
        _from_the_empty_inbox_to_unsubscribed(page, server)


def _from_the_empty_inbox_to_unsubscribed(page: Page, server: Server) -> None:
    page.goto("/inbox")
    expect(page.locator("main")).to_contain_text("curl")
    expect(page.locator("main")).to_contain_text(f"{server.url}/v1/track")
    _fits(page)

    _a_left_cart(server)
    page.goto("/inbox")
    page.get_by_role("button", name="next message").click()
    page.get_by_role("link", name="Uma, your Blue kettle is still here").first.click()
    mail = page.frame_locator("iframe")
    expect(mail.get_by_text("Blue kettle").first).to_be_visible()
    expect(mail.get_by_role("img", name="Blue kettle")).to_be_visible()
    assert mail.get_by_role("img", name="Blue kettle").evaluate("picture => picture.naturalWidth > 0")
    assert mail.locator("body").evaluate("body => body.scrollWidth <= document.documentElement.clientWidth")
    _fits(page)

    for tab, words in (("Text", "Blue kettle"), ("Headers", "List-Unsubscribe"), ("Decision", "consent")):
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.locator("main")).to_contain_text(words)
        _fits(page)

    page.get_by_role("link", name="HTML", exact=True).click()
    expect(_follow(page, "Why did I get this?").get_by_role("heading").first).to_be_visible()
    question = _follow(page, "Unsubscribe")
    question.locator("button.main").click()
    expect(question.locator("main")).to_contain_text(
        re.compile("unsubscribed|no more|withdrawn|stopped", re.IGNORECASE)
    )
    _fits(question)
    assert "withdrawn" in server.told("consent", "show", "u1")


def test_the_customer_can_be_played_and_the_console_tells_of_it(browser: Browser, server: Server) -> None:
    _a_left_cart(server)
    server.advance(by="1h")
    for width, scheme in LOOKS:
        with visiting(browser, server, width, scheme) as page:
            page.goto("/inbox/1")
            page.get_by_role("button", name="Click", exact=True).click()
            expect(page.locator("main")).to_contain_text("u1")
            page.goto("/console/customers/u1")
            expect(page.locator("main")).to_contain_text("Blue kettle")
            expect(page.locator("main")).to_contain_text("marketing")
            _fits(page)


def test_the_sample_shop_leads_from_its_window_to_a_product_and_back(browser: Browser, server: Server) -> None:
    for width, scheme in LOOKS:
        with visiting(browser, server, width, scheme) as page:
            page.goto("/shop")
            _fits(page)
            page.get_by_role("link", name="Blue kettle").click()
            expect(page.get_by_role("img")).to_be_visible()
            _fits(page)
            page.get_by_role("link", name="Back to the inbox").click()
            expect(page.get_by_role("heading", name="No message yet")).to_be_visible()


def test_pages_speak_for_themselves_without_pictures(browser: Browser, server: Server) -> None:
    _a_left_cart(server)
    server.advance(by="1h")
    window = Visitor(browser, server, 390, "light")
    window.context.route("**/*.jpg", lambda route: route.abort())
    window.page.goto("/inbox/1")
    mail = window.page.frame_locator("iframe")
    for words in ("Blue kettle", "€39.90", "Tea, 500 g", "Finish my order"):
        expect(mail.get_by_text(words).first).to_be_visible()
    window.context.close()


def test_long_words_have_room_on_a_small_phone(browser: Browser, server: Server) -> None:
    _a_left_cart(server, locale="ru")
    server.advance(by="1h")
    with visiting(browser, server, 320, "light") as page:
        page.goto("/inbox/1")
        wishes = _follow(page, "Почему это пришло?")
        labels = wishes.locator(".switches > li > :first-child")
        widths = [box["width"] for label in labels.all() if (box := label.bounding_box())]
        assert len(widths) == 3
        assert min(widths) >= 100, "letters would stand one below the other"

        page.goto("/console/customers/u1")
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        gates = page.locator(".scroll:has(.gates)").first
        assert gates.evaluate("box => box.scrollWidth <= box.clientWidth"), "what a gate saw is seen without scrolling"


def test_on_a_small_phone_the_search_stands_above_the_red_button_and_keeps_the_margin(
    browser: Browser, server: Server
) -> None:
    with visiting(browser, server, 320, "light") as page:
        page.goto("/console")
        edges = page.evaluate("[...document.querySelectorAll('.find, .now')].map(e => e.getBoundingClientRect().right)")
        find = page.get_by_role("button", name="Find").evaluate("button => button.getBoundingClientRect().right")
        assert {find, *edges} == {320 - 16}
        search, stop = page.evaluate(
            "['.find', 'a.danger'].map(e => document.querySelector(e).getBoundingClientRect().top)"
        )
        assert search < stop


def _a_left_cart(server: Server, locale: str = "en") -> None:
    uma = Shopper(server, "u1").known(locale=locale).consents("email")
    pictured: dict[str, Any] = {"url": f"{server.url}/shop/p1", "image_url": f"{server.url}/shop/p1.jpg"}
    uma.adds(KETTLE | pictured)
    uma.adds(TEA)


def _follow(page: Page, words: str) -> Page:
    """The page behind a link in the letter's foot, which opens beside the inbox."""
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").get_by_role("link", name=words).click()
    behind = opened.value
    behind.wait_for_load_state()
    _fits(behind)
    return behind


def _fits(page: Page) -> None:
    """Nobody has to scroll sideways."""
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room, f"{page.url} is {wide} px wide in a window of {room}"
