"""The garbage collector of a long-lived process: what was loaded at start stays, and is not looked through again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 100_000  # allocations between two collections of the young; rows and records hold no cycles


@contextmanager
def loading() -> Iterator[None]:
    """Around imports: nothing of what they make is garbage, and looking for some takes a sixth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Call once everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 50, 100)
