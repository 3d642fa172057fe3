"""Where rules and templates pass each other by: a template that no rule sends, a message that has no template. Either may be called
anything, so none is refused, and nothing else notices before a message is due."""

from __future__ import annotations

import ast
from difflib import get_close_matches

from tactful.channels import CHANNELS, DESK
from tactful.plugins import Loaded
from tactful_dispatch.content.contentset import SHIPPED, ContentSet
from tactful_workbench.doctor.almost import calls_in, source_of
from tactful_workbench.settings.unheard import files_of


def unsent(loaded: Loaded, content: ContentSet, here: bool = True) -> list[tuple[str, str]]:
    """Templates of the shop's own that no rule sends: a file of each, and what is wrong. `here`: whether the shop's own rules are; where
    words are linted without them, only what is almost called like a template that ships."""
    sources = [text for rule in loaded.rules for file in files_of(rule) if (text := source_of(file))]
    rules = {rule.name for rule in loaded.rules} | {broken.name for broken in loaded.broken}
    shipped = {folder.name for folder in SHIPPED.iterdir() if folder.is_dir()}
    found = []
    for template in sorted({template.name for template in content.templates.values()} - rules - shipped):
        if any(f'"{template}"' in text or f"'{template}'" in text for text in sources):
            continue
        near = get_close_matches(template.casefold(), sorted(rules | shipped), 1, 0.8)
        meant = f"; if you mean {near[0]}, call the folder so" if near else ""
        if not (near or here):
            continue
        file = min(each.file for each in content.templates.values() if each.name == template)
        found.append((file, f"no rule that is loaded sends {template}, so nobody gets it{meant}"))
    return found


def unwritten(loaded: Loaded, content: ContentSet) -> list[str]:
    """Messages whose channel and template stand in a rule, and for which there is no file in any language."""
    written = {(name, channel) for name, channel, _, _ in content.templates}
    found = dict[str, None]()
    for file in dict.fromkeys(file for rule in loaded.rules for file in files_of(rule)):
        for call in calls_in(file):
            match call:
                case ast.Call(
                    func=ast.Attribute(attr="send"),
                    args=[ast.Constant(value=str(channel)), ast.Constant(value=str(template)), *_],
                ):
                    if channel in (*CHANNELS, DESK) and (template, channel) not in written:
                        wanted = f"{template}/{channel}.en.{'html' if channel == 'email' else 'txt'}"
                        found[f"{file}:{call.lineno}: {template} is sent by {channel}, and {wanted} is missing"] = None
    return list(found)


def astray(loaded: Loaded, content: ContentSet) -> list[str]:
    """Where the templates of a process that renders, and the rules, pass each other by."""
    return [f"{file}: {text}" for file, text in unsent(loaded, content)] + unwritten(loaded, content)
