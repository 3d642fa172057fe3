"""The content set: every template, the brand and the layout as one immutable version.

`<rule>/<channel>.<language>.{html,txt}` with front matter between two lines of `---`, `<rule>/example.json`,
`brand.yaml`, `_layout.html`. A later folder's file takes the place of an earlier one's with the same name; of
`brand.yaml` only what it says does, so that a shop's colour does not cost it the words of the layout.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from babel.core import get_global

from tactful.hostname import ascii_host
from tactful_dispatch.content import TemplateError

SHIPPED: Final = Path(__file__).parent.parent / "templates"
_NAME: Final = re.compile(
    r"(?P<template>[^/]+)/(?P<channel>[a-z]+)\.(?P<language>[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*)\.(?P<kind>html|txt)",
    re.IGNORECASE,
)
_FRONT: Final = re.compile(r"\s*---[ \t]*\n(?P<matter>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_OPENED: Final = re.compile(r"\s*---[ \t]*\n")
_HOST: Final = re.compile(r"(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*")
_READ: Final = frozenset({".html", ".htm", ".txt", ".yaml", ".yml", ".json"})
BRAND: Final = "brand.yaml"
LAYOUT: Final = "_layout.html"
EXAMPLE: Final = "example.json"
# Languages that go by two names: phones still say those that ISO 639 has withdrawn, and a file may be called either way.
_OTHER_NAMES: Final = {"he": "iw", "iw": "he", "id": "in", "in": "id", "nb": "no", "no": "nb", "yi": "ji", "ji": "yi"}
LONGEST_TAG: Final = 64  # characters of a language; RFC 5646 asks for room for 35


class Wording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a variant may say differently: single lines, rendered like the body. None: as in the front matter."""

    subject: str | None = None
    preheader: str | None = None


class Matter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The front matter of a template."""

    subject: str = ""  # of an e-mail, the title of a push
    preheader: str = ""
    why: str = ""  # why the customer gets this, as a sentence
    no_more: str = ""  # the words of the link that mutes the rule
    uses: tuple[str, ...] = ()  # projections whose content it shows; `brand.yaml` has the words for them
    variants: dict[str, Wording] = {}


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`brand.yaml`: what all messages share. Everything here may be shown by templates."""

    accent: str = "#0f5c5c"  # of links and the button; carries near-white words
    accent_dark: str = "#6cc4bd"  # the same on dark grounds; carries near-black words
    logo: str = ""  # address of a picture at most 40 px high; "": the shop's name in letters
    domains: tuple[str, ...] = ()  # hosts that links and pictures may lead to besides the shop's own; none: any host
    words: dict[str, dict[str, str]] = {}  # language -> name -> words, for the layout and for `uses`


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """`<rule>/example.json`: what one message would show. What else stands in it is for its readers."""

    first_name: str | None = None
    because: str = ""
    because_at: int = 0  # ms
    data: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Template:
    """One file. Lines count from 1; `line` is where the body begins."""

    file: str
    name: str
    channel: str
    language: str
    kind: str  # html | txt
    text: str
    matter: Matter
    body: str
    line: int

    def line_of(self, words: str) -> int:
        """The first line that holds `words`, or 1."""
        return _line_of(self.text, words)


@dataclass(frozen=True, slots=True)
class ContentSet:
    """All files of one version, and what they mean. `version` is a hash over every file."""

    files: Mapping[str, str]
    templates: Mapping[tuple[str, str, str, str], Template]  # by (name, channel, language, kind)
    brand: Brand
    version: str

    def __hash__(self) -> int:
        return hash(self.version)

    @classmethod
    def load(cls, *folders: Path) -> ContentSet:
        """The shipped files under those of `folders`. Raises TemplateError naming the file and line that is wrong."""
        paths = {
            _key(name := path.relative_to(folder).as_posix()) or name: (name, path)
            for folder in (SHIPPED, *folders)
            for path in _files(folder)
        }
        brands = [_read(BRAND, path) for folder in (SHIPPED, *folders) if (path := folder / BRAND).is_file()]
        return cls.of({name: _read(name, path) for name, path in paths.values()} | {BRAND: _laid_over(brands)})

    @classmethod
    def of(cls, files: Mapping[str, str]) -> ContentSet:
        """From texts by name. Raises TemplateError naming the file and line that is wrong."""
        ordered = dict(sorted(files.items()))
        templates = {
            (template.name, template.channel, template.language, template.kind): template
            for template in map(_template, ordered, ordered.values())
            if template is not None
        }
        brand = _brand(ordered.get(BRAND, ""))
        return cls(ordered, templates, brand, sha256(msgspec.json.encode(ordered)).hexdigest()[:12])

    def choose(self, name: str, channel: str, locales: tuple[str, ...], kind: str) -> Template | None:
        """The template in the best language that there is."""
        for locale in locales:
            for language in fallbacks(locale):
                if found := self.templates.get((name, channel, language, kind)):
                    return found
        return None

    def example(self, name: str) -> Example:
        """What `<rule>/example.json` says. Raises TemplateError if it is missing, no JSON object, or says something of another kind."""
        file = f"{name}/{EXAMPLE}"
        if file not in self.files:
            raise TemplateError(f"{file} is missing; write what one message would show")
        try:
            return msgspec.json.decode(self.files[file], type=Example)
        except msgspec.DecodeError as error:
            raise TemplateError(f"{file}: {error}; mend it") from None


def fallbacks(locale: str) -> Iterator[str]:
    """`zh_hant_TW` is looked for as `zh-Hant-TW`, then as `zh-Hant`, then as `zh`; `zh-TW`, as browsers say, as `zh-Hant` too. What a
    browser calls a language may be as long as an event, and of ten thousand parts each would be looked for."""
    language, *more = _tag(locale[:LONGEST_TAG]).split("-")
    for length in range(len(more), 0, -1):
        yield "-".join((language, *more[:length]))
    names = [language, *filter(None, [_OTHER_NAMES.get(language)])]
    script = _script(language, more)
    scripts = [f"{name}-{script}" for name in names if script]
    yield from (*scripts, *names) if more else (*names, *scripts)


def _script(language: str, more: Sequence[str]) -> str:
    """In which it is written where that goes without saying (Unicode TR 35, likely subtags); "" if it is said, or nobody knows."""
    if more and len(more[0]) == 4:
        return ""
    likely = get_global("likely_subtags")
    known = likely.get("_".join((language, *more[:1]))) or likely.get(language) or ""
    return next((part for part in known.split("_")[1:] if len(part) == 4), "")


def _tag(language: str) -> str:
    """As BCP 47 §2.1.1 writes it: `pt-BR`, `zh-Hant`, `es-419`."""
    first, *more = language.replace("_", "-").lower().split("-")
    return "-".join((first, *(part.title() if len(part) == 4 else part.upper() for part in more)))


def _key(file: str) -> tuple[str, str, str, str] | None:
    """Which template a file is: name, channel, language, kind."""
    match = _NAME.fullmatch(file)
    return (match[1], match[2].lower(), _tag(match[3]), match[4].lower()) if match else None


def _files(folder: Path) -> list[Path]:
    """What lies in it, also behind links to folders, as Kubernetes mounts them; hidden files are those of systems and editors."""
    found = {*folder.rglob("*"), *folder.glob("*/*")}
    seen = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(path for path in seen if path.suffix.lower() in _READ and path.is_file())


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{name}: {error}; save the file as UTF-8 where this process can read it") from None


def _laid_over(brands: Sequence[str]) -> str:
    """One brand of several, the later over the earlier: field by field, and word by word. Each has to be right by itself."""
    whole: dict[str, Any] = {}
    for text in brands:
        words = _brand(text).words
        known = whole.get("words", {})
        whole |= yaml.safe_load(text) or {}
        whole["words"] = known | {language: known.get(language, {}) | own for language, own in words.items()}
    return yaml.safe_dump(whole, allow_unicode=True)


def _brand(text: str) -> Brand:
    brand: Brand = _structure(Brand, BRAND, text, above=0)
    return msgspec.structs.replace(brand, domains=tuple(_host(domain, text) for domain in brand.domains))


def _host(domain: str, text: str) -> str:
    """`.CDN.example` and `*.CDN.example` mean cdn.example, which covers what is under it."""
    host = domain.strip().lower().removeprefix("*").removeprefix(".")
    try:
        host = host if host.isascii() else ascii_host(host)
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        line = _line_of(text, domain or "domains:")
        raise TemplateError(f"{BRAND}:{line}: {domain!r} is no host; write it like shop.example")
    return host


def _template(file: str, text: str) -> Template | None:
    key = _key(file)
    if key is None:
        return None
    if not _OPENED.match(text):
        return Template(file, *key, text, Matter(), text, 1)
    front = _FRONT.match(text)
    if front is None:
        raise TemplateError(f"{file}:1: the front matter has no end; close it with a line of ---")
    matter = _structure(Matter, file, front["matter"], above=text.count("\n", 0, front.start("matter")))
    return Template(file, *key, text, matter, text[front.end() :], front[0].count("\n") + 1)


class _Loader(yaml.SafeLoader):
    """Of two keys of one name, the first would be lost without a word: a second `words:` costs a shop those of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value} stands here for the second time", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _structure(kind: type[Any], file: str, text: str, above: int) -> Any:
    """YAML as one of our structures; `above` lines of the file stand before it."""
    try:
        return msgspec.convert(yaml.load(text, _Loader) or {}, kind)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = (mark.line if mark else 0) + 1 + above
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise TemplateError(f"{file}:{line}: {problem}; mend that line") from None
    except msgspec.ValidationError as error:
        named = re.findall(r"`\$?\.?(\w+)", str(error))
        line = above + (_line_of(text, named[-1]) if named else 1)
        raise TemplateError(f"{file}:{line}: {error}; mend that line") from None


def _line_of(text: str, words: str) -> int:
    return next((number for number, line in enumerate(text.splitlines(), start=1) if words in line), 1)
