"""What customers did, as far as whoever comes to them, or is enrolled for it, is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tactful_trigger.history import HistoryRow
from tactful_trigger.store import TriggerStore

PAST: Final = 1000  # lines of each name


async def past_of(store: TriggerStore, names: Iterable[str], since: int = 0) -> list[HistoryRow]:
    """Their latest lines, none from before an instant, one name after the other."""
    return [line for name in names for line in await store.history(name, PAST, since)]
