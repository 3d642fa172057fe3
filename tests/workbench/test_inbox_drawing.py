"""How letters are drawn, and the sample shop's pictures."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from markup import HOSTILE, assert_harmless

from tactful_workbench.inbox.drawing import Piece, body_document, pieces
from tactful_workbench.inbox.shop import create_shop, picture


@given(st.text())
def test_no_character_of_a_text_is_lost(text: str) -> None:
    assert "".join(piece.text for piece in pieces(text)) == text


def test_a_web_address_ends_before_the_punctuation_that_follows_it() -> None:
    assert pieces("See http://a.example/x?y=1.") == [
        Piece("See "),
        Piece("http://a.example/x?y=1", "http://a.example/x?y=1"),
        Piece("."),
    ]


@pytest.mark.parametrize("text", ["javascript:alert(1)", "data:text/html,x", "ftp://a.example", "http:// x"])
def test_only_web_addresses_become_links(text: str) -> None:
    assert not [piece for piece in pieces(text) if piece.link]


@pytest.mark.parametrize(
    "pixel",
    [
        '<img src="http://127.0.0.1:8080/o/WyJv-_x" width="1" height="1" alt="">',
        "<IMG width=1 SRC='https://hello.shop.example/o/abc'>",
        "<img src=http://127.0.0.1:8080/o/abc>",
    ],
)
def test_the_pixel_that_reports_an_opening_is_left_out(pixel: str) -> None:
    assert "/o/" not in body_document(f"<html><head></head><body>a{pixel}b</body></html>")


def test_other_pictures_stay() -> None:
    kettle = '<img src="http://127.0.0.1:8080/shop/p1.jpg" alt="Blue kettle">'
    assert kettle in body_document(f"<p>{kettle}</p>")


@pytest.mark.parametrize("mail", ["<html><HEAD lang=en><title>x</title></HEAD><body>x</body></html>", "<p>x</p>"])
def test_links_of_a_mail_open_beside_the_inbox(mail: str) -> None:
    assert body_document(mail).count('<base target="_blank">') == 1


@given(st.text())
def test_every_product_has_a_picture_and_always_the_same(product: str) -> None:
    assert picture(product) == picture(product)
    assert ElementTree.fromstring(picture(product)).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_first_products_look_different() -> None:
    assert len({picture(f"p{number}") for number in range(1, 7)}) == 6


async def test_a_picture_is_served_under_any_picture_name() -> None:
    app = FastAPI()
    app.include_router(create_shop())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test") as browser:
        for name in ("p1.jpg", "p1.png", "p1.svg"):
            answer = await browser.get(f"/shop/{name}")
            assert answer.headers["content-type"] == "image/svg+xml"
            assert answer.text == picture("p1")
        assert_harmless(await browser.get("/shop/p1"), images=1)
        assert_harmless(await browser.get("/shop/" + HOSTILE.replace("/", "").replace("?", "")), images=1)
