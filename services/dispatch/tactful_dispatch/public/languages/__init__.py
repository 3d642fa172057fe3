"""The languages that the public pages speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tactful_dispatch.public.languages.en import ENGLISH
from tactful_dispatch.public.languages.ru import RUSSIAN
from tactful_dispatch.public.texts import Texts

LANGUAGES: Final[Mapping[str, Texts]] = {"en": ENGLISH, "ru": RUSSIAN}


def texts_for(*locales: str | None) -> Texts:
    """The first language there is, in order of preference; English if none is. `en-GB` falls to `en`."""
    languages = (locale.replace("_", "-").partition("-")[0].lower() for locale in locales if locale)
    return next((LANGUAGES[language] for language in languages if language in LANGUAGES), ENGLISH)
