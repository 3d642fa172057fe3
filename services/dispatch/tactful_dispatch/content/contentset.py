"""The content set: every template, the brand and the layout as one immutable version.

`<folder>/<rule>/<channel>.<language>.{html,txt}` with front matter between two lines of `---`, `<folder>/brand.yaml`,
`<folder>/_layout.html`. A later folder's file takes the place of an earlier one's with the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

from tactful_dispatch.content import TemplateError

SHIPPED: Final = Path(__file__).parent.parent / "templates"
_NAME: Final = re.compile(
    r"(?P<template>[^/]+)/(?P<channel>[a-z]+)\.(?P<language>[a-z]{2}(?:-[A-Z]{2})?)\.(?P<kind>html|txt)"
)


@dataclass(frozen=True, slots=True)
class Template:
    """One file: where it stands, its front matter, its body, and the line on which the body begins."""

    file: str
    kind: str  # html | txt
    matter: Mapping[str, Any]
    body: str
    line: int


@dataclass(frozen=True)
class ContentSet:
    """Templates by (template, channel, language, kind). `version` is a hash over every file."""

    templates: Mapping[tuple[str, str, str, str], Template]
    layout: str
    brand: Mapping[str, Any]
    version: str

    @classmethod
    def load(cls, *folders: Path) -> ContentSet:
        """Raises TemplateError naming the file and line that cannot be read."""
        files: dict[str, Path] = {}
        for folder in (SHIPPED, *folders):
            for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
                if path.is_file():
                    files[path.relative_to(folder).as_posix()] = path
        texts = {
            name: path.read_text()
            for name, path in sorted(files.items())
            if path.suffix in (".html", ".txt", ".yaml", ".json")
        }
        templates = {
            key: template for name, text in texts.items() if (key := _key(name)) and (template := _template(name, text))
        }
        brand = _yaml("brand.yaml", texts.get("brand.yaml", ""), 0)
        mark = sha256("\0".join(f"{name}\0{text}" for name, text in texts.items()).encode()).hexdigest()
        return cls(templates, texts.get("_layout.html", "{{ body }}"), brand, mark[:12])

    def choose(
        self, template: str, channel: str, locales: tuple[str, ...], kind: str
    ) -> tuple[Template, str, str] | None:
        """The template in the best language, that language, and which step gave it: locale or shop."""
        for index, locale in enumerate(locales):
            for language in dict.fromkeys((locale.replace("_", "-"), locale[:2].lower())):
                found = self.templates.get((template, channel, language, kind))
                if found is not None:
                    return found, language, "shop" if index == len(locales) - 1 else "locale"
        return None

    def names(self) -> list[tuple[str, str, str, str]]:
        """Every (template, channel, language, kind), sorted."""
        return sorted(self.templates)


def _key(name: str) -> tuple[str, str, str, str] | None:
    match = _NAME.fullmatch(name)
    return (match["template"], match["channel"], match["language"], match["kind"]) if match else None


def _template(name: str, text: str) -> Template:
    kind = name.rpartition(".")[2]
    if not text.startswith("---\n"):
        return Template(name, kind, {}, text, 1)
    head, separator, body = text[4:].partition("\n---\n")
    if not separator:
        raise TemplateError(f"{name}:1: the front matter has no end; close it with a line of ---")
    return Template(name, kind, _yaml(name, head, 1), body, head.count("\n") + 4)


def _yaml(name: str, text: str, above: int) -> dict[str, Any]:
    try:
        return yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1 + above
        raise TemplateError(f"{name}:{line}: {error.problem}; mend that line") from None
