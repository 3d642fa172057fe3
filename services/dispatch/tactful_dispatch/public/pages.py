"""Turning a view into a page: templates, the stylesheet inside them, and the headers that every answer carries."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_datetime
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from tactful.errors import InvalidInput
from tactful.mailbox import mailbox
from tactful_dispatch.greeting import called
from tactful_dispatch.public.masking import masked
from tactful_dispatch.public.texts import Texts

# A signed link must not leak by referrer, cache or search engine.
DISCREET: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}


class Pages:
    """Renders the templates in `html/`, with every value escaped and every missing value an error."""

    def __init__(self) -> None:
        style = _text("tactful", "look.css") + _text("tactful_dispatch.public", "style.css")
        self._templates = Environment(
            loader=PackageLoader("tactful_dispatch.public", "html"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"style": Markup(style), "masked": masked, "bare": _bare, "called": called}
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self._headers = {
            **DISCREET,
            "content-security-policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
        }

    def answer(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page, with its headers."""
        page = self._templates.get_template(f"{template}.html").render(values)
        return HTMLResponse(page, status, self._headers)


class Calendar:
    """Instants (ms) as dates, in one language and one time zone."""

    def __init__(self, texts: Texts, zone: ZoneInfo) -> None:
        self._texts, self._zone = texts, zone

    def date(self, at: int) -> str:
        """`24 December 2026`"""
        return self._said(at, self._texts.date)

    def moment(self, at: int) -> str:
        """`Tue 24 Nov 2026, 09:00`"""
        return self._said(at, self._texts.moment)

    def language(self, locale: str) -> str:
        """`English` for `en-GB`; what nobody knows is shown as it is."""
        try:
            return Locale.parse(locale.replace("_", "-"), sep="-").get_language_name(self._texts.language) or locale
        except (ValueError, UnknownLocaleError):
            return locale

    def _said(self, at: int, pattern: str) -> str:
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(self._zone)
        return str(format_datetime(local, pattern, locale=self._texts.language))


def _bare(address: str) -> str:
    """The address of a mailbox that has a name as well."""
    try:
        return mailbox(address, "reply_to").addr_spec
    except InvalidInput:
        return address


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
