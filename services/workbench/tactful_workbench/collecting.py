"""The garbage collector of a long-lived process: what was loaded at start stays, and is not looked through again."""

import gc
from typing import Final

YOUNG: Final = 100_000  # allocations between two collections of the young; rows and records hold no cycles


def settle() -> None:
    """Call once everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 50, 100)
