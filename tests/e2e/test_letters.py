"""Every letter in a real browser: no width, ground or missing picture breaks it."""

from __future__ import annotations

from typing import Literal

import pytest
from enginebench import drive
from fakedesk import FakeDesk
from playwright.sync_api import Browser, Page, Route
from previews import preview
from starlette.requests import Request

from tactful.clock import ManualClock
from tactful.settings import Shop
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.public.pages import Pages
from tactful_dispatch.public.preferences import Preferences
from tactful_dispatch.public.site import Site
from tactful_dispatch.questions import REASONS

pytestmark = [pytest.mark.surroundings, pytest.mark.xdist_group("letters")]
CONTENT = ContentSet.load()
LETTERS = sorted({(name, language) for name, channel, language, _ in CONTENT.templates if channel == "email"})
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ENDLESS = "9f86d081884c7d659a2feaa0c55ad015" * 2  # as shops without names of products have them
PIXEL = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
WIDEST = "() => Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"
# Whether the middle of each radio button is that of its words.
BESIDE = """() => [...document.querySelectorAll('label:has(input)')].map(label => {
  const middle = box => (box.top + box.bottom) / 2, words = document.createRange();
  words.selectNode(label.lastChild);
  return Math.abs(middle(label.firstElementChild.getBoundingClientRect()) - middle(words.getBoundingClientRect())) < 4;
})"""
# The contrast of each text with the first ground behind it that is painted (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const light = c => { const v = c / 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 };
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const bright = s => { const [r, g, b] = rgb(s); return .2126 * light(r) + .7152 * light(g) + .0722 * light(b) };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (rgb(c).length < 4 || rgb(c)[3] > 0) return c; } return 'rgb(255, 255, 255)' };
  let least = 21, where = '';
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    const [a, b] = [bright(getComputedStyle(e).color), bright(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < least) { least = ratio; where = e.textContent.trim().slice(0, 40) }
  }
  return [least, where];
}"""


@pytest.mark.parametrize("letter", LETTERS, ids="-".join)
def test_a_letter_fits_every_width_and_can_be_read_on_every_ground_with_and_without_pictures(
    browser: Browser, letter: tuple[str, str]
) -> None:
    name, language = letter
    html = preview(CONTENT, name, "email", (language,)).html
    for pictures in (True, False):
        page = browser.new_page()
        page.route("**/*", _shown if pictures else _missing)
        page.set_content(html)
        if not pictures:
            assert all(page.evaluate("() => [...document.images].map(i => i.alt.length > 0)"))
        _look(page)
        page.close()


def test_a_name_without_a_blank_makes_no_letter_wider(browser: Browser) -> None:
    data = {"items": [{"product_id": "p1", "title": ENDLESS, "price": (4900, "EUR")}], "gift": False, "again": False}
    page = browser.new_page(viewport={"width": 320, "height": 900})
    page.set_content(preview(CONTENT, "abandoned_cart", "email", data=data).html)
    assert page.evaluate(WIDEST) <= 320
    page.close()


@pytest.mark.parametrize("action", ["preferences", "about"])
def test_a_name_without_a_blank_makes_no_page_wider(browser: Browser, action: str) -> None:
    desk = FakeDesk(CustomerCard("u1", {}, ENDLESS, None, None, (), (ENDLESS,), 0, False, (), (ENDLESS,)), 0)
    desk.about, links = (ENDLESS,), Links("http://test", b"key")
    pages = Preferences(Site(desk, links, Shop), ManualClock(0))
    token = links.token(Grant(action, "u1", "m_1", purpose=f"marketing.{ENDLESS}"))
    shown = drive((pages.show if action == "preferences" else pages.ask)(Request({"type": "http"}), token))
    page = browser.new_page(viewport={"width": 320, "height": 900})
    page.set_content(bytes(shown.body).decode())
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.close()


def test_what_is_known_has_room_beside_long_words_on_a_small_phone(browser: Browser) -> None:
    addresses = {"email": "uma.long@example.test", "sms": "+34600123467"}
    desk = FakeDesk(CustomerCard("u1", addresses, "Ума", "ru", "Europe/Madrid", (), (), 0, False, ()), 0)
    pages = Preferences(Site(desk, links := Links("http://test", b"key"), Shop), ManualClock(0))
    shown = drive(pages.show(Request({"type": "http"}), links.token(Grant("preferences", "u1"))))
    page = browser.new_page(viewport={"width": 320, "height": 900})
    page.set_content(bytes(shown.body).decode())
    lines = [box["height"] for fact in page.locator(".facts dd").all() if (box := fact.bounding_box())]
    assert lines == [24] * 5, "each on one line"
    page.close()


def test_on_paper_the_page_says_what_is_chosen(browser: Browser) -> None:
    desk = FakeDesk(CustomerCard("u1", {}, None, "en", None, (), (), 0, False, (), hours="17:00-21:00"), 0)
    pages = Preferences(Site(desk, links := Links("http://test", b"key"), Shop), ManualClock(0))
    shown = drive(pages.show(Request({"type": "http"}), links.token(Grant("preferences", "u1"))))
    page = browser.new_page()
    page.set_content(bytes(shown.body).decode())
    page.emulate_media(media="print")
    seen = [button.inner_text() for button in page.locator(".choices button").all() if button.is_visible()]
    assert seen == ["In the evening", "As it comes, seldom anyway", "Use my basket and my visits"]
    page.close()


def test_each_answer_stands_beside_the_circle_that_chooses_it(browser: Browser) -> None:
    texts, shop = texts_for("en", None), Shop()
    shown = Pages().answer("survey", t=texts, shop=shop, reasons=REASONS, given="other", more="x").body
    page = browser.new_page(viewport={"width": 320, "height": 900})
    page.set_content(bytes(shown).decode())
    assert page.evaluate(BESIDE) == [True] * len(REASONS)
    page.close()


def _look(page: Page) -> None:
    for width in (320, 600, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(WIDEST) <= width, f"wider than {width}"
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            least, where = page.evaluate(CONTRAST)
            assert least >= 4.5, f"{least:.2f} at {where!r}, {scheme}"


def _shown(route: Route) -> None:
    route.fulfill(body=PIXEL, content_type="image/gif")


def _missing(route: Route) -> None:
    route.abort()
