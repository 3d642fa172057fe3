"""The rendering with which a template is shown and linted: its `example.json`, or data given, and links that lead nowhere."""

from __future__ import annotations

from typing import Any, Final

from tactful.settings import Shop
from tactful_dispatch.content import Rendering
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.shown import LINKS, shown_of

SAMPLE: Final = Shop()
_URL: Final = "https://shop.example"


def sample(
    content: ContentSet,
    template: str,
    channel: str,
    locales: tuple[str, ...] = ("en",),
    variant: str | None = None,
    data: dict[str, Any] | None = None,
    shop: Shop = SAMPLE,
) -> Rendering:
    """A rendering of the example: `first_name`, `because`, `because_at` and `data` of `example.json`, links that lead
    nowhere. Raises TemplateError if there is no example."""
    example = content.example(template)
    return Rendering(
        template=template,
        channel=channel,
        variant=variant,
        locales=locales,
        data=example.data if data is None else data,
        first_name=example.first_name,
        shop=shown_of(shop.model_copy(update={"url": _URL, "public_url": _URL})),
        links={name: f"{_URL}/{name}" for name in LINKS},
        because=example.because,
        because_at=example.because_at,
        zone=shop.timezone,
    )
