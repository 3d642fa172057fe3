"""What customers get, approved by somebody who looked at it: every shipped template with its example."""

from __future__ import annotations

from pathlib import Path

import pytest
from previews import preview

from tactful_dispatch.content.contentset import ContentSet
from tactful_workbench.commands.templates import as_text

SHIPPED = ContentSet.load()
SNAPSHOTS = Path(__file__).parent / "snapshots"
MESSAGES = [
    (name, channel, language, form)
    for name, channel, language, kind in sorted(SHIPPED.templates)
    for form in (("html", "txt") if kind == "html" else ("txt",))
]


@pytest.mark.parametrize(("name", "channel", "language", "form"), MESSAGES)
def test_a_message_is_as_it_was_approved(name: str, channel: str, language: str, form: str) -> None:
    rendered = preview(SHIPPED, name, channel, (language,))
    approved = SNAPSHOTS / f"{name}.{channel}.{language}.{form}"
    option = " --html" if form == "html" else ""
    renew = f"tactful templates preview {name} --channel {channel} --locale {language}{option} > {approved}"
    says = rendered.html if form == "html" else as_text(rendered)
    assert approved.read_text(encoding="utf-8") == says + "\n", f"look at it, and if it is right: {renew}"


def test_every_approved_message_still_exists() -> None:
    assert sorted(path.name for path in SNAPSHOTS.iterdir()) == sorted(".".join(message) for message in MESSAGES)
