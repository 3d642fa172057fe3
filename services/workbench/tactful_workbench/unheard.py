"""What the settings say to rules and nobody hears: a slip of the pen there changes nothing, and nothing else tells so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tactful.rules import OVERRIDABLE, Rule
from tactful.settings import Settings


def unheard(settings: Settings, rules: Iterable[Rule]) -> list[str]:
    """Sections of rules that are not loaded, and parameters that the rule's own file does not name."""
    loaded, found = {rule.name: rule for rule in rules}, []
    for name, section in settings.rules.items():
        rule = loaded.get(name)
        if rule is None:
            found.append(f"[rules.{name}] is for no rule that is loaded; there are: {', '.join(sorted(loaded))}")
            continue
        asked = _text(rule.file)
        found += [
            f"[rules.{name}] {parameter} is nothing that the rule asks for ({rule.file})"
            for parameter in section.parameters
            if parameter not in OVERRIDABLE and f'"{parameter}"' not in asked and f"'{parameter}'" not in asked
        ]
    return found


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")
