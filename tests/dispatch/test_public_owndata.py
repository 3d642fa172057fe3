"""Taking a copy, and leaving: behind the preference page's link, after one question."""

from __future__ import annotations

import httpx
import pytest
from fakedesk import FakeDesk, FakePersonal
from fastapi import FastAPI

from tactful.clock import ManualClock
from tactful.settings import Shop
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public import create_public

NOW = 1_795_000_000_000
LINKS = Links("https://hello.shop.example", b"key")
TOKEN = LINKS.token(Grant("preferences", "u1", "m_1"))
CARD = CustomerCard("u1", {}, "Uma", "en", None, (), (), 0, False, ())


class Page:
    """The public pages over a desk and a person's data."""

    def __init__(self) -> None:
        self.personal = FakePersonal()
        app = FastAPI()
        app.include_router(create_public(FakeDesk(CARD, NOW), self.personal, LINKS, ManualClock(NOW), Shop))
        self._transport = httpx.ASGITransport(app)

    async def ask(self, method: str, path: str, **form: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://test") as client:
            return await client.request(method, path, data=form or None)


async def test_the_preference_page_leads_to_both() -> None:
    page = await Page().ask("GET", f"/p/{TOKEN}")
    assert f'href="../d/{TOKEN}"' in page.text
    assert f'href="../e/{TOKEN}"' in page.text


async def test_a_copy_is_a_file_that_nobody_caches() -> None:
    copy = await Page().ask("GET", f"/d/{TOKEN}")
    assert copy.json() == {"customer": "u1"}
    assert copy.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert copy.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_erases_nothing(method: str) -> None:
    page = Page()
    for path in ("d", "e"):
        assert (await page.ask(method, f"/{path}/{TOKEN}")).status_code == 200
    assert page.personal.erased == []


async def test_the_button_that_cannot_be_undone_looks_like_no_other() -> None:
    asked = await Page().ask("GET", f"/e/{TOKEN}")
    assert '<button class="danger" name="do" value="erase">' in asked.text


async def test_one_button_erases_and_says_when_the_last_record_is_clean() -> None:
    page = Page()
    answered = await page.ask("POST", f"/e/{TOKEN}", do="erase")
    assert page.personal.erased == [("u1", "preference-page")]
    assert "It will be gone from our last records by 18 December 2026." in answered.text


async def test_a_form_without_the_button_erases_nothing() -> None:
    page = Page()
    assert (await page.ask("POST", f"/e/{TOKEN}", do="stop")).status_code == 400
    assert page.personal.erased == []


async def test_who_was_erased_is_told_that_nothing_is_kept() -> None:
    page = Page()
    await page.ask("POST", f"/e/{TOKEN}", do="erase")
    copy = await page.ask("GET", f"/d/{TOKEN}")
    assert copy.status_code == 404
    assert "There is nothing to download" in copy.text


@pytest.mark.parametrize("path", ["d", "e"])
async def test_a_link_that_was_made_for_something_else_or_changed_opens_nothing(path: str) -> None:
    page = Page()
    other = LINKS.token(Grant("unsubscribe", "u1", "m_1"))
    flipped = TOKEN[:10] + ("A" if TOKEN[10] != "A" else "B") + TOKEN[11:]
    for token in (other, flipped):
        assert (await page.ask("GET", f"/{path}/{token}")).status_code == 404
        assert (await page.ask("POST", f"/e/{token}", do="erase")).status_code == 404
    assert page.personal.erased == []
