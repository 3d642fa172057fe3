"""What all replays of real data share: files, settings, and content that nobody reads."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tactful.settings import Settings
from tactful_dispatch.content import Rendered, Rendering

SETTINGS: Final = Path(__file__).parent.parent / "tests" / "truth"
Row = tuple[str, ...]


class Plain:
    """Content for a run in which nobody reads: the subject alone."""

    version = "plain"

    async def render(self, rendering: Rendering) -> Rendered:
        return Rendered(subject="plain", text="plain")


def rows_of(file: Path) -> Iterator[dict[str, str]]:
    """The rows of a gzip CSV file."""
    with gzip.open(file, "rt", newline="", encoding="utf-8") as text:
        yield from csv.DictReader(text)


def with_parameters(settings: Settings, rule: str, **parameters: Any) -> Settings:
    """The settings with other parameters of one rule; it is live."""
    values = settings.model_dump(mode="json")
    values["rules"][rule] = {"mode": "live", **values["rules"].get(rule, {}), **parameters}
    return Settings.model_validate(values)
