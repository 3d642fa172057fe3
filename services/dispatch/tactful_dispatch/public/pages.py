"""The look of the pages that the shop's customers see, and dates as they read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_datetime

from tactful.errors import InvalidInput
from tactful.mailbox import mailbox
from tactful.pages import StyledPages
from tactful_dispatch.greeting import called
from tactful_dispatch.public.masking import masked
from tactful_dispatch.public.texts import Texts

_OWN: Final = "tactful_dispatch.public"


class Pages(StyledPages):
    """Those that the shop's customers see."""

    def __init__(self) -> None:
        super().__init__([_OWN], [(_OWN, "style.css")])
        self.templates.globals |= {"masked": masked, "bare": _bare, "called": called}


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
