"""`tactful templates`: what messages would say, and what is wrong with them. Needs no server."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tactful.errors import SettingsError
from tactful.plugins import load_plugins
from tactful.settings import Shop, parse
from tactful_dispatch.content import Rendered, Rendering, TemplateError
from tactful_dispatch.content.contentset import ContentSet
from tactful_dispatch.content.lint import Finding
from tactful_dispatch.content.linting import lint_within_limits, render_within_limits
from tactful_dispatch.content.preview import SAMPLE, sample
from tactful_workbench.commands.options import HERE, Data, Json, Rules, Templates, show
from tactful_workbench.doctor.unsent import unsent
from tactful_workbench.settings.file import text_of
from tactful_workbench.shop.folders import RULES, TEMPLATES

app = typer.Typer(no_args_is_help=True, help="What messages say.")

Locale = Annotated[str, typer.Option("--locale", help="Language, e.g. en or ru-RU.")]


@app.command("lint")
def lint_templates(
    templates: Templates = TEMPLATES,
    locale: Locale = "en",
    rules: Rules = RULES,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """Everything that should be mended before a customer sees it. Exit code 1 if there is anything."""
    content = _load(templates)
    loaded = load_plugins(rules)
    own_rules = any(not rule.body.__module__.startswith("tactful_trigger.") for rule in loaded.rules)
    lost = unsent(loaded, content, here=own_rules)
    findings = sorted(
        [
            *asyncio.run(lint_within_limits(content, locale, _shop(data))),
            *(Finding(file, 1, "name", why) for file, why in lost),
        ]
    )
    lines = [f"{finding.file}:{finding.line}: {finding.code}: {finding.message}" for finding in findings]
    answer = {"version": content.version, "findings": [finding._asdict() for finding in findings]}
    show(answer, "\n".join(lines) or f"nothing to mend in content set {content.version}", as_json)
    if findings:
        raise typer.Exit(1)


@app.command("preview")
def preview_template(
    rule: Annotated[str, typer.Argument(help="Folder of the template, e.g. abandoned_cart.")],
    channel: Annotated[str, typer.Option("--channel", help="email, push or sms.")] = "email",
    locale: Locale = "en",
    variant: Annotated[str | None, typer.Option("--variant", help="Name of a variant in the front matter.")] = None,
    html: Annotated[bool, typer.Option("--html", help="The HTML alone, to look at in a browser.")] = False,
    templates: Templates = TEMPLATES,
    data: Data = HERE,
    as_json: Json = False,
) -> None:
    """One message, rendered with the example.json beside its template."""
    # A locale that has no template falls back to English, as in a shop that speaks English.
    content = _load(templates)
    wanted = sample(content, rule, channel, (locale, "en"), variant, shop=_shop(data))
    _must_vary(content, wanted)
    (rendered,) = asyncio.run(render_within_limits(content, [wanted]))
    if isinstance(rendered, TemplateError):
        raise rendered
    show(asdict(rendered), rendered.html if html else as_text(rendered), as_json)


def _must_vary(content: ContentSet, wanted: Rendering) -> None:
    """A message whose variant nobody has written says what is written for all; who looks at it would take that for the variant."""
    kind = "html" if wanted.channel == "email" else "txt"
    template = content.choose(wanted.template, wanted.channel, wanted.locales, kind)
    if template is not None and wanted.variant and wanted.variant not in template.matter.variants:
        known = ", ".join(template.matter.variants) or "none"
        raise TemplateError(f"{template.file} has no variant {wanted.variant}; those it has: {known}")


def as_text(rendered: Rendered) -> str:
    """Subject and preheader above the text, as a person would read it."""
    head = [
        f"{name}: {line}" for name, line in (("Subject", rendered.subject), ("Preheader", rendered.preheader)) if line
    ]
    return "\n".join([*head, "", rendered.text] if head else [rendered.text])


def _shop(data: Path) -> Shop:
    """As its settings say, if they stand here and can be read."""
    file = data / "settings.toml"
    try:
        return parse(text_of(file), str(file)).shop if file.exists() else SAMPLE
    except SettingsError as error:
        print(f"{error}\nuntil that is mended, messages say what ships", file=sys.stderr)
        return SAMPLE


def _load(folder: Path) -> ContentSet:
    return ContentSet.load(folder)
