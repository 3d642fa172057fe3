"""The look of the console's pages."""

from __future__ import annotations

from typing import Final

from tactful.pages import StyledPages

_OWN: Final = "tactful_console"


class Pages(StyledPages):
    """The pages of a package. Decisions look the same everywhere, so the console's own parts are at hand in each."""

    def __init__(self, package: str, policy: str = "") -> None:
        super().__init__([package, _OWN], [(_OWN, "parts.css"), (package, "style.css")], policy)
