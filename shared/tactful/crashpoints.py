"""Named places at which a process may be killed by a test. Unarmed, `reach` does nothing.

A composition root arms one point; the real code only names where it stands.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def _unarmed(_point: str) -> None:
    """Nothing is armed."""


_hook: Callable[[str], None] = _unarmed


def reach(point: str) -> None:
    """Say that the process stands at `point`."""
    _hook(point)


def arm(point: str, nth: int = 1, strike: Callable[[], None] | None = None) -> None:
    """At the n-th time `point` is reached, do `strike`: by default kill -9 this process."""
    left = nth
    known(point)

    def hook(reached: str) -> None:
        nonlocal left
        if reached == point:
            left -= 1
            if left == 0:
                (strike or _kill)()

    global _hook
    _hook = hook


def disarm() -> None:
    """Make every point harmless again."""
    global _hook
    _hook = _unarmed


POINTS = (
    "ingest: appended",  # records are durable, the client has no answer yet
    "trigger: mid-slice",  # computed, nothing written
    "trigger: before commit",  # inside the slice's transaction
    "trigger: after commit",
    "relay: appended",  # outbox records are in the log, not yet forgotten
    "dispatch: sending",  # `sending` is committed, no byte has left
    "dispatch: answered",  # the provider answered, nothing recorded
    "dispatch: before decision",  # inside the transaction that records the outcome
    "dispatch: before commit",  # inside the slice's transaction
    "dispatch: opt-out",  # inside the transaction of an opt-out
    "dispatch: address closed",  # by a STOP; nobody who uses it has withdrawn yet
    "dispatch: receipt",  # inside the transaction of a receipt
    "erasure: noted",  # outside of the database, nothing is erased yet
    "store: migration",  # between two steps of a migration
    "move: copied",  # a partition stands in both databases, the one before counts
    "move: closed",  # nobody works on what has moved, the list of before still counts
    "move: placed",  # a database has its new place, others may not
)


def known(point: str) -> None:
    """Raise KeyError for a point that the code does not have."""
    if point not in POINTS:
        raise KeyError(f"no crash point {point!r}; there are: {', '.join(POINTS)}")


def _kill() -> None:
    os.write(2, b"crash point reached\n")
    os.kill(os.getpid(), signal.SIGKILL)
