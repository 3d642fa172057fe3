"""Turning values into a page: templates, the stylesheet inside them, and the headers that every answer carries."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

# Pages about a person stay out of caches, other sites' logs and search engines.
DISCREET: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}

_OWN: Final = "tactful_console"


class Pages:
    """Renders the templates in `html/` of a package with its `style.css`. Every value is escaped, a missing one an error.

    Decisions look the same everywhere, so the console's own parts are at hand in every package.
    """

    def __init__(self, package: str, policy: str = "") -> None:
        """`policy`: further Content-Security-Policy directives; without them a page may load nothing at all."""
        style = _text("tactful", "look.css") + _text(_OWN, "parts.css") + _text(package, "style.css")
        self._templates = Environment(
            loader=ChoiceLoader([PackageLoader(package, "html"), PackageLoader(_OWN, "html")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["style"] = Markup(style)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self._headers = {
            **DISCREET,
            "content-security-policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            f"base-uri 'none'; frame-ancestors 'none'{policy and '; ' + policy}",
        }

    def answer(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page, with its headers."""
        page = self._templates.get_template(f"{template}.html").render(values)
        return HTMLResponse(page, status, self._headers)


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
