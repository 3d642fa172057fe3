"""The sample shop's products, drawn rather than photographed: `/shop` is its window, `/shop/p1` a page, `/shop/p1.jpg` a picture.

The picture is an SVG whatever the address ends in: the content type tells, and mail examples look like a real shop's.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from tactful_console.pages import Pages

_PICTURE: Final = re.compile(r"^(.+)\.(?:jpe?g|png|svg|webp)$", re.IGNORECASE)
# A kettle, a tin, a cup, a jar: outlines on a ground of 200 x 200.
_SHAPES: Final = (
    (
        '<path d="M58 92h76l12 66H46z"/><path d="M70 92c0-22 52-22 52 0z"/><circle cx="96" cy="70" r="6"/>'
        '<path d="M140 112l26-22 6 6-27 34z"/>'
        '<path d="M52 118c-26-8-24-44 2-60 26-16 66-14 80 10" fill="none" stroke-width="8"/>'
    ),
    (
        '<rect x="60" y="74" width="80" height="88" rx="4"/><rect x="66" y="56" width="68" height="14" rx="3"/>'
        '<rect x="60" y="100" width="80" height="34" fill="#fff" opacity=".55"/>'
    ),
    (
        '<path d="M54 76h80v44c0 26-16 40-40 40s-40-14-40-40z"/>'
        '<path d="M134 88c30-4 30 44-4 42" fill="none" stroke-width="9"/><rect x="44" y="166" width="100" height="6" rx="3"/>'
    ),
    (
        '<path d="M70 70h60v12c16 8 20 18 20 32v34c0 10-6 16-16 16H66c-10 0-16-6-16-16v-34c0-14 4-24 20-32z"/>'
        '<rect x="66" y="50" width="68" height="16" rx="4"/>'
    ),
)
_WINDOW: Final = {"p1": "Blue kettle", "p2": "Tea, 500 g", "p3": "Cup", "p4": "Jar"}
_HUES: Final = (212, 150, 24, 268, 340, 190)


def picture(product: str) -> str:
    """The SVG of a product: always the same for the same id."""
    number = _number(product)
    shape, hue = _SHAPES[number % len(_SHAPES)], _HUES[number % len(_HUES)]
    ink = f"hsl({hue} 45% 42%)"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="400" height="400" role="img">'
        f'<rect width="200" height="200" fill="hsl({hue} 35% 92%)"/>'
        f'<ellipse cx="98" cy="168" rx="66" ry="7" fill="hsl({hue} 25% 82%)"/>'
        f'<g fill="{ink}" stroke="{ink}" stroke-linejoin="round" stroke-linecap="round">{shape}</g></svg>'
    )


def create_shop() -> APIRouter:
    """A router for `/shop` and `/shop/<product>`."""
    pages = Pages("tactful_workbench.inbox", "img-src 'self'")
    router = APIRouter(include_in_schema=False)

    async def window() -> Response:
        return pages.answer("window", products=_WINDOW)

    async def icon() -> Response:
        """Browsers ask for it beside every page that may show pictures."""
        return await product("p1.svg")

    async def product(product: str) -> Response:
        if found := _PICTURE.match(product):
            policy = {"content-security-policy": "default-src 'none'", "x-content-type-options": "nosniff"}
            return Response(picture(found[1]), headers=policy, media_type="image/svg+xml")
        return pages.answer("product", product=product)

    router.add_api_route("/favicon.ico", icon, methods=["GET"])
    router.add_api_route("/shop", window, methods=["GET"])
    router.add_api_route("/shop/{product}", product, methods=["GET"])
    return router


def _number(product: str) -> int:
    """p1 is the first thing in the shop; an id without a number has a place of its own."""
    digits = re.search(r"[0-9]{1,9}$", product)
    return int(digits[0]) - 1 if digits else sha256(product.encode(errors="replace")).digest()[0]
