"""What `tactful smoke` says of a message that does not arrive."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tactful_workbench.commands.smoke import _told

UNDECIDED: Final[dict[str, Any]] = {"verdict": "", "decided_at": 0, "asked_at": 7, "stopped_by": ""}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            UNDECIDED,
            r"neither left nor been refused within 30 s: dispatch holds it, or does not run\. `tactful explain ",
        ),
        (UNDECIDED | {"stopped_by": "olga"}, r"all sending is stopped by olga"),
        (UNDECIDED | {"asked_at": 0}, r"no rule asked for it within 30 s; does trigger run"),
    ],
)
def test_a_message_that_is_not_decided_is_told_with_where_to_look(answer: dict[str, Any], words: str) -> None:
    """A provider that is away holds it: whoever is called for that at night is not sent to look for dispatch alone."""
    assert re.match(f"failed: .*{words}", _told(answer, 30.0))
