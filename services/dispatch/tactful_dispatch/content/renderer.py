"""Rendering one message: sandboxed Jinja2, e-mail markup from tested macros, a text part that reads well."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import unescape
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import css_inline
from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency
from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import ContentSet, Template
from tactful_dispatch.content.tracking import PLACEHOLDER

LONGEST: Final = 512 * 1024  # characters that a message may have
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Renderer:
    """Renders messages of one content set. Pure: the same rendering gives the same message."""

    def __init__(self, content: ContentSet) -> None:
        self.content = content
        macros = files("tactful_dispatch.content").joinpath("macros.html").read_text()
        self._environment = ImmutableSandboxedEnvironment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.filters |= {"date": _date, "plural": _plural}
        self._macros, self._inliner = macros, css_inline.CSSInliner(load_remote_stylesheets=False)

    def render(self, rendering: Rendering) -> Rendered:
        """Raises TemplateError naming file, line and mend."""
        kind = "html" if rendering.channel == "email" else "txt"
        chosen = self.content.choose(rendering.template, rendering.channel, rendering.locales, kind)
        if chosen is None:
            wanted = f"{rendering.template}/{rendering.channel}.{rendering.locales[-1]}.{kind}"
            raise TemplateError(f"{wanted} is missing; write it, or a template in another language of the shop")
        template, language, source = chosen
        links: list[str] = []
        values = self._values(rendering, language, links)
        message = self._message(template, rendering, values)
        return Rendered(
            **message,
            language=language,
            language_from=source,
            version=self.content.version,
            links=tuple(links),
        )

    def _message(self, template: Template, rendering: Rendering, values: dict[str, Any]) -> dict[str, Any]:
        matter = {**template.matter, **(template.matter.get("variants") or {}).get(rendering.variant or "", {})}
        subject = self._line(template, matter.get("subject", ""), values)
        preheader = self._line(template, matter.get("preheader", ""), values)
        values = values | {name: self._line(template, matter.get(name, ""), values) for name in ("why", "no_more")}
        body = self._run(template, template.body, values)
        if template.kind == "txt":
            return {"subject": subject, "preheader": preheader, "text": _plain(str(body)), "html": ""}
        page = self._page(template, {**values, "subject": subject, "preheader": preheader, "body": body})
        written = self.content.choose(rendering.template, rendering.channel, rendering.locales, "txt")
        text = _plain(str(self._run(written[0], written[0].body, values))) if written else _text_of(page)
        return {"subject": subject, "preheader": preheader, "text": text, "html": self._inliner.inline(page)}

    def _page(self, template: Template, values: dict[str, Any]) -> str:
        layout = Template("_layout.html", "html", {}, self.content.layout, 1)
        return str(self._run(layout, layout.body, values))

    def _line(self, template: Template, source: str, values: dict[str, Any]) -> str:
        """A subject is one line, whatever the data holds."""
        line = unescape(str(self._run(template, source, values))).strip()
        if _CONTROL.search(line):
            raise TemplateError(
                f"{template.file}:1: a subject or preheader must be one line without control characters"
            )
        return line

    def _run(self, template: Template, source: str, values: Mapping[str, Any]) -> Markup:
        above = self._macros if template.kind == "html" else ""
        offset = template.line - 1 - above.count("\n")
        try:
            text = self._environment.from_string(above + source).render(values)
        except TemplateSyntaxError as error:
            raise TemplateError(f"{template.file}:{error.lineno + offset}: {error.message}; mend that line") from None
        except UndefinedError as error:
            raise TemplateError(
                f"{template.file}:{_line_of(error) + offset}: {error.message}; give it in `data`, or a default"
            ) from None
        except (SecurityError, ArithmeticError, TypeError, ValueError, KeyError, MemoryError, OverflowError) as error:
            raise TemplateError(
                f"{template.file}:{_line_of(error) + offset}: {type(error).__name__}: {error}"
            ) from None
        if len(text) > LONGEST:
            raise TemplateError(f"{template.file}: the message has {len(text)} characters; {LONGEST} are allowed")
        return Markup(text)

    def _values(self, rendering: Rendering, language: str, links: list[str]) -> dict[str, Any]:
        def tracked(url: str) -> str:
            if not url:
                return ""
            links.append(url)
            return f"{PLACEHOLDER}{len(links) - 1}"

        locale, zone = _locale(language), ZoneInfo(rendering.zone)
        return {
            **rendering.data,
            "data": rendering.data,
            "first_name": rendering.first_name or "",
            "shop": rendering.shop,
            "brand": dict(self.content.brand),
            "links": rendering.links,
            "because": rendering.because,
            "because_on": _day(rendering.because_at, zone, locale),
            "language": language,
            "money": _money(locale),
            "tracked": tracked,
        }


def _money(locale: Locale) -> Callable[[Any], str]:
    def money(amount: Any) -> str:
        if not amount:
            return ""
        minor, currency = amount
        exponent = {
            "JPY": 0,
            "KRW": 0,
            "CLP": 0,
            "ISK": 0,
            "VND": 0,
            "KWD": 3,
            "BHD": 3,
            "JOD": 3,
            "OMR": 3,
            "TND": 3,
        }.get(currency, 2)
        return str(format_currency(minor / 10**exponent, currency, locale=locale))

    return money


def _date(at: int, form: str = "d MMMM") -> str:
    return str(format_date(datetime.fromtimestamp(at / 1000, UTC), form, locale="en"))


def _day(at: int, zone: ZoneInfo, locale: Locale) -> str:
    return str(format_date(datetime.fromtimestamp(at / 1000, zone), "EEEE d MMMM", locale=locale))


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale("en")


def _line_of(error: BaseException) -> int:
    trace, line = error.__traceback__, 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _plain(text: str) -> str:
    lines = [line.strip() for line in unescape(text).strip().splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _text_of(html: str) -> str:
    """The HTML as a letter: links in full behind their words, one idea a paragraph."""
    body = re.sub(r"(?s)<(head|style|title)\b.*?</\1>|<!--.*?-->", "", html)
    body = re.sub(r'(?s)<div[^>]*data-text="none"[^>]*>.*?</div>', "", body)
    body = re.sub(r'(?s)<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', _link_in_words, body)
    body = re.sub(r"(?i)<br[^>]*>", "\n", body)
    body = re.sub(r"(?i)</(p|h1|h2|tr|table|li)>", "\n\n", body)
    body = re.sub(r"(?i)</td>", "  ", body)
    body = unescape(re.sub(r"<[^>]+>", "", body))
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in body.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _link_in_words(match: re.Match[str]) -> str:
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", match[2])).strip()
    return f"{words}: {match[1]}" if words else ""
