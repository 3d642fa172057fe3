"""Rendering one message: sandboxed Jinja2, e-mail markup from macros, inline CSS, a derived text part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape, unescape
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import css_inline
import msgspec
from babel.core import Locale, UnknownLocaleError
from babel.lists import format_list
from jinja2 import FunctionLoader, StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from tactful.hostname import ascii_host
from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import LAYOUT, ContentSet, Template
from tactful_dispatch.content.formatting import FILTERS, isolated, locale_of
from tactful_dispatch.content.letter import letter
from tactful_dispatch.content.tracking import PLACEHOLDER
from tactful_dispatch.greeting import called

LONGEST: Final = 512 * 1024  # characters that a message may have
MACROS: Final = (
    "heading",
    "text",
    "button",
    "products",
    "offer",
    "question",
    "survey",
    "divider",
    "image",
    "note",
)
_CLOSED: Final = ("links", "shop", "brand", "words")  # of which the product knows all parts
_WITHOUT: Final = ("default", "d", "defined", "undefined")  # what says that a value may be missing
_ADDRESSED: Final = {"button": 1, "survey": 1, "image": 0, "tracked": 0}  # which of what they are given is an address
_LINES: Final = ("subject", "preheader", "why", "no_more")
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # Unicode's Cc, Zl and Zp
MISLEADING: Final = re.compile(r"[\\\s\x00-\x1f\x7f]")  # within an address: browsers read it otherwise than we do
ADDRESS: Final = re.compile(r"https?://[^\s\"'<>{}]+")
_LEADS: Final = re.compile(r'(?<=\s)(href|src)="([^"]*)"')  # as css_inline writes attributes
_UNFETCHED: Final = ("mailto:", "tel:", "sms:", "cid:", "#")  # what leads to no host
_UNBROKEN: Final = str.maketrans("\u00a0\u202f", "  ")  # of money; one such blank more than halves what an SMS holds
_SHELF: Final = "macros.html"  # stands beside this module, not in the content set


class Renderer:
    """Renders messages of one content set. Pure: the same rendering gives the same message."""

    def __init__(self, content: ContentSet) -> None:
        self.content = content
        self._sources = dict(_sources(content))
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False)
        self._environment = ImmutableSandboxedEnvironment(
            # A name with a line's name behind `#` is a single line, which is text like a `.txt` file.
            autoescape=lambda name: bool(name and name.endswith(".html")),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            loader=FunctionLoader(lambda name: (self._sources[name], name, None) if name in self._sources else None),
        )
        self._environment.filters |= FILTERS

    def render(self, rendering: Rendering) -> Rendered:
        """Raises TemplateError naming file, line and mend."""
        kind = "html" if rendering.channel == "email" else "txt"
        template = self.content.choose(rendering.template, rendering.channel, rendering.locales, kind)
        if template is None:
            wanted = f"{rendering.template}/{rendering.channel}.{rendering.locales[-1]}.{kind}"
            raise TemplateError(f"{wanted} is missing; write it, or a template in another language of the shop")
        links = _Links(rendering, self.content.brand.domains)
        values = self._values(rendering, template, links)
        values |= {name: self._line(template, name, rendering.variant, values) for name in _LINES}
        html, text = self._body(template, values, links)
        if kind == "html" and not values["subject"]:
            raise TemplateError(f"{template.file}:{template.line_of('subject:')}: the subject is empty; write one")
        says = text.strip() or html or values["subject"]
        if not says and rendering.channel != "webhook":  # whose receiver is told the customer and the message anyway
            raise TemplateError(f"{template.file}:{template.line}: the message is empty; write one")
        return Rendered(
            subject=values["subject"],
            preheader=values["preheader"],
            text=text,
            html=html,
            language=template.language,
            version=self.content.version,
            links=tuple(links.targets),
        )

    def unknown_names(self, template: Template, rendering: Rendering) -> list[str]:
        """Names in the template that neither the rendering nor the product provides, wherever in it they stand."""
        provided = {*self._provided(rendering, template), *_LINES, *MACROS, *self._environment.globals}
        trees = self._trees(template).values()
        for constant in (each for tree in trees for each in tree.find_all(nodes.Const)):
            constant.value = ""  # or Jinja would compute 9**(9**9) here and now
        return sorted(set().union(*map(_undeclared, trees)) - provided)

    def unknown_parts(self, template: Template, rendering: Rendering) -> list[str]:
        """`links.carts`: what the template wants of our own and we do not have, unless it says what to do without. A block that is
        given such a thing disappears."""
        own = self._provided(replace(rendering, data={}), template)
        wanted, spared = set[tuple[str, str]](), set[tuple[str, str]]()
        for tree in self._trees(template).values():
            asked = (each.node for each in tree.find_all((nodes.Filter, nodes.Test)) if each.name in _WITHOUT)
            wanted.update(_parts(tree, tree.find_all(nodes.Getattr)))
            spared.update(_parts(tree, asked))
        missing = ((name, part) for name, part in wanted - spared if part not in own[name] and not hasattr(dict, part))
        return sorted(f"{name}.{part}" for name, part in missing)

    def hidden_names(self, template: Template, rendering: Rendering) -> list[str]:
        """Names of what the rule gives that say something of the product's own where the template has them."""
        own = {*self._provided(replace(rendering, data={}), template)}
        body = own | {*_LINES} | ({*MACROS} if template.kind == "html" else set())
        found = set[str]()
        for name, tree in self._trees(template).items():
            hidden = rendering.data.keys() & (body if name == template.file else own)
            called = {id(call.node) for call in tree.find_all(nodes.Call)}
            found |= {each.name for each in tree.find_all(nodes.Name) if each.name in hidden and id(each) not in called}
        return sorted(found)

    def _provided(self, rendering: Rendering, template: Template) -> dict[str, Any]:
        """What a template has by name when it is looked at without being rendered: any link may stand in it."""
        return self._values(rendering, template, _Links(rendering, ()))

    def lost_addresses(self, template: Template, rendering: Rendering) -> list[str]:
        """What a block is given as an address, written down, that is none: the block disappears."""
        links, found = _Links(rendering, ()), set[str]()
        for tree in self._trees(template).values():
            for call in tree.find_all(nodes.Call):
                at = _ADDRESSED.get(getattr(call.node, "name", ""))
                if at is not None:
                    given = (*call.args[at : at + 1], *(word.value for word in call.kwargs if word.key == "url"))
                    texts = (each.value for each in given if isinstance(each, nodes.Const))
                    found.update(text for text in texts if text and isinstance(text, str) and not links.allowed(text))
        return sorted(found)

    def _trees(self, template: Template) -> dict[str, nodes.Template]:
        """Its parts as they were read; none if they cannot be: rendering tells where."""
        names = (name for name in self._sources if name.partition("#")[0] == template.file)
        try:
            return {name: self._environment.parse(self._sources[name]) for name in names}
        except TemplateSyntaxError:
            return {}

    def _written(self, template: Template) -> str:
        """What the author of a letter, and of its frame, has written down."""
        return "\n".join(self.content.files.get(file, "") for file in (template.file, LAYOUT))

    def _body(self, template: Template, values: dict[str, Any], links: _Links) -> tuple[str, str]:
        """HTML and text; the text of an e-mail is derived unless it was written in the same language."""
        if template.kind == "txt":
            text = _tidy(self._run(template.file, values))
            return "", text.translate(_UNBROKEN) if template.channel == "sms" else text
        values |= self._macros(values)
        body = Markup(self._run(template.file, values))
        whole = self._inlined(template, self._run(LAYOUT, values | {"body": body}))
        html = links.only_allowed(whole, self._written(template))
        written = self.content.templates.get((template.name, template.channel, template.language, "txt"))
        return html, _tidy(self._run(written.file, values)) if written else letter(html)

    def _inlined(self, template: Template, html: str) -> str:
        try:
            return self._inliner.inline(html)
        except css_inline.InlineError as error:
            raise TemplateError(f"{template.file}:1: {error}; mend its style, or that of {LAYOUT}") from None

    def _values(self, rendering: Rendering, template: Template, links: _Links) -> dict[str, Any]:
        brand = msgspec.to_builtins(self.content.brand)
        words = brand["words"].get("en", {}) | brand["words"].get(template.language, {})
        data, direction = _readable(rendering.data), _babel(template).text_direction
        return {
            **data,
            "data": data,
            "first_name": isolated(called(rendering.first_name), direction),
            "shop": rendering.shop,
            "brand": brand,
            "words": words,
            "used": format_list([words.get(name, name) for name in template.matter.uses], locale=_babel(template)),
            "links": rendering.links,
            "because": rendering.because,
            "because_at": rendering.because_at,
            "language": template.language,
            "direction": direction,
            "zone": rendering.zone,
            "tracked": links.tracked,
            "allowed": links.allowed,
        }

    def _macros(self, values: dict[str, Any]) -> dict[str, Any]:
        module = self._environment.get_template(_SHELF).make_module(values)
        return {name: getattr(module, name) for name in MACROS}

    def _line(self, template: Template, name: str, variant: str | None, values: dict[str, Any]) -> str:
        """One line, whatever the data holds: what would break it is a space. (What encoded words hold is the mail adapter's
        guard.)"""
        special = f"{template.file}#{variant}.{name}"
        line = self._run(special if special in self._sources else f"{template.file}#{name}", values)
        return " ".join(filter(None, _BREAKS.sub(" ", line).split(" "))).strip()

    def _run(self, name: str, values: Mapping[str, Any]) -> str:
        pieces, size = [], 0
        try:
            for piece in self._environment.get_template(name).generate(values):
                pieces.append(piece)
                size += len(piece)
                if size > LONGEST:
                    raise ValueError(f"the message is longer than {LONGEST} characters")
        except Exception as error:  # noqa: BLE001 - a template may raise whatever Python can
            raise TemplateError(self._complaint(name, error)) from None
        return "".join(pieces).strip("\n")

    def _complaint(self, name: str, error: Exception) -> str:
        file = name.partition("#")[0]
        if isinstance(error, TemplateSyntaxError):
            return f"{file}:{error.lineno}: {str(error.message).rstrip('.')}; mend that line"
        where = f"{file}:{self._line_within(error, name)}"
        if isinstance(error, UndefinedError):
            return f"{where}: {error.message}; give it in `data`, or a default"
        if isinstance(error, MemoryError):
            return f"{where}: rendering used too much memory; make the template simpler"
        return f"{where}: {type(error).__name__}: {error}; mend that line"

    def _line_within(self, error: BaseException, name: str) -> int:
        """Where in the file it went wrong: what a macro stumbles over was given to it there."""
        trace, line = error.__traceback__, 1
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == name:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line


def _readable(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Shops post names as their pages hold them, `Salt &amp; pepper`: nobody is to read that."""
    items = data.get("items")
    if not isinstance(items, list | tuple):
        return data
    return {**data, "items": [{**i, "title": unescape(i["title"])} if _has_title(i) else i for i in items]}


def _undeclared(tree: nodes.Template) -> set[str]:
    """None of one that cannot be compiled, as with a filter that there is not: rendering tells where."""
    try:
        return find_undeclared_variables(tree)
    except TemplateSyntaxError:
        return set()


def _parts(tree: nodes.Template, found: Iterable[nodes.Node | None]) -> Iterator[tuple[str, str]]:
    """What of this is a part of something of ours, and not of what the template itself calls so: `for shop in shops`."""
    ours = {*_CLOSED} - {each.name for each in tree.find_all(nodes.Name) if each.ctx != "load"}
    for part in found:
        if isinstance(part, nodes.Getattr) and isinstance(part.node, nodes.Name) and part.node.name in ours:
            yield part.node.name, part.attr


def _has_title(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("title"), str)


@dataclass(frozen=True, slots=True)
class _Links:
    """Which links a message may hold, and the targets of those that are tracked, in order."""

    rendering: Rendering
    domains: tuple[str, ...]
    targets: list[str] = field(default_factory=list)

    def allowed(self, url: str | None) -> str:
        """`url` if a message may lead there, else "": a product's address may have been posted by anybody. One with a backslash
        or a blank leads browsers elsewhere than it reads. `/p1` and `//cdn.shop.example/p1.jpg` are of the shop's own pages."""
        url = (url or "").strip()
        if MISLEADING.search(url):
            return ""
        try:
            url = urljoin(self.rendering.shop["url"], url) if url.startswith("/") else url
        except ValueError:
            return ""
        host = host_of(url)
        own = (host_of(self.rendering.shop[name]) for name in ("url", "public_url"))
        known = not self.domains or host in own or is_among(host, self.domains)
        return url if host and urlsplit(url).scheme in ("http", "https") and known else ""

    def only_allowed(self, html: str, written: str) -> str:
        """The letter, in which also what no block has made of its data leads nowhere else. Its author may lead anywhere (lint says what
        is not among the domains): `written` is what they wrote."""
        known, hosts = {*self.rendering.links.values()}, {host_of(url) for url in ADDRESS.findall(written)} - {""}

        def leads_there(url: str) -> bool:
            return (
                host_of(url) in hosts
                and urlsplit(url).scheme in ("http", "https")
                and not MISLEADING.search(urlsplit(url).netloc)
            )

        def checked(found: re.Match[str]) -> str:
            name, url = found[1], unescape(found[2])
            if url in known or url in written or leads_there(url) or url.startswith((PLACEHOLDER, *_UNFETCHED)):
                return found[0]
            return f'{name}="{escape(self.allowed(url))}"'

        return _LEADS.sub(checked, html)

    def tracked(self, url: str | None) -> str:
        """A placeholder for the tracked form of `url`; "" for one that is not allowed."""
        if not (target := self.allowed(url)):
            return ""
        self.targets.append(target)
        return f"{PLACEHOLDER}{len(self.targets) - 1}"


def host_of(url: str) -> str:
    """The host that an address leads to, as the wire has it; "" if it is none."""
    try:
        host = urlsplit(url).hostname or ""
        return host if host.isascii() else ascii_host(host)
    except ValueError:
        return ""


def is_among(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of these or stands under one of them."""
    return any(f".{host}".endswith(f".{domain}") for domain in domains)


def _sources(content: ContentSet) -> Iterator[tuple[str, str]]:
    """Everything that is rendered, by name; empty lines above keep the line numbers of the file."""
    yield _SHELF, files("tactful_dispatch.content").joinpath(_SHELF).read_text(encoding="utf-8")
    yield LAYOUT, content.files.get(LAYOUT, "{{ body }}")
    for template in content.templates.values():
        yield template.file, "\n" * (template.line - 1) + template.body
        for name in _LINES:
            above = "\n" * (template.line_of(f"{name}:") - 1)
            yield f"{template.file}#{name}", above + getattr(template.matter, name)
        for variant, wording in template.matter.variants.items():
            above = "\n" * (template.line_of(f"{variant}:") - 1)
            for name, source in msgspec.structs.asdict(wording).items():
                if source is not None:
                    yield f"{template.file}#{variant}.{name}", above + source


def _babel(template: Template) -> Locale:
    try:
        return locale_of(template.language)
    except UnknownLocaleError:
        unknown = f"{template.file}:1: {template.language} is no language that Unicode knows"
        raise TemplateError(f"{unknown}; name the file by its code, e.g. uk for Ukrainian") from None


def _tidy(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
