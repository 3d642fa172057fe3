"""Every letter in a real browser: no width, ground or missing picture breaks it."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route

from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.preview import preview

pytestmark = pytest.mark.surroundings
CONTENT = ContentSet.load()
LETTERS = sorted({(name, language) for name, channel, language, _ in CONTENT.templates if channel == "email"})
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PIXEL = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
WIDEST = "() => Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))"
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
