"""Turning values into a page: templates, the stylesheet inside them, and the headers that every answer carries."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

# Pages about a person, and the signed links to them, stay out of caches, other sites' logs and search engines.
DISCREET: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}


class StyledPages:
    """Renders the templates in `html/` of some packages; of one name, that of the first. Every value is escaped, a missing one an
    error."""

    def __init__(self, packages: Sequence[str], styles: Sequence[tuple[str, str]], policy: str = "") -> None:
        """`styles`: package and file of each stylesheet, on top of the look that all pages share. `policy`: further
        Content-Security-Policy directives; without them a page may load nothing at all."""
        style = "".join(map(_text, (("tactful", "look.css"), *styles)))
        self.templates = Environment(
            loader=ChoiceLoader([PackageLoader(package, "html") for package in packages]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.globals["style"] = Markup(style)
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self._headers = {
            **DISCREET,
            "content-security-policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            f"base-uri 'none'; frame-ancestors 'none'{policy and '; ' + policy}",
        }

    def answer(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page, with its headers."""
        page = self.templates.get_template(f"{template}.html").render(values)
        return HTMLResponse(page, status, self._headers)


def _text(place: tuple[str, str]) -> str:
    package, name = place
    return files(package).joinpath(name).read_text(encoding="utf-8")
