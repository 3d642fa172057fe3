"""Where processes are killed in which play."""

from __future__ import annotations

from typing import Final, NamedTuple


class Kill(NamedTuple):
    """The n-th time at a point, from the beginning of an act if one is named; whether nobody can know then if a message
    was sent."""

    act: str
    point: str
    nth: int = 1
    unknown: bool = False
    long: bool = False  # struck at night

    def __str__(self) -> str:
        return f"{self.act} {self.point} {self.nth}".strip()


TWO_DAYS: Final = [
    Kill("", "ingest: appended", 1),
    Kill("", "ingest: appended", 15),
    Kill("", "trigger: mid-slice", 20),
    Kill("", "trigger: before commit", 1),
    Kill("", "trigger: before commit", 21),
    Kill("", "trigger: after commit", 22),
    Kill("", "relay: appended", 1),
    Kill("", "relay: appended", 12),
    Kill("", "dispatch: sending", 1, unknown=True),
    Kill("", "dispatch: sending", 2, unknown=True),
    Kill("", "dispatch: answered", 2, unknown=True),
    Kill("", "dispatch: before decision", 1, unknown=True),
    Kill("", "dispatch: before commit", 2),
    Kill("", "dispatch: before commit", 14),
    Kill("", "dispatch: opt-out", 1),
    Kill("", "dispatch: opt-out", 2),
    Kill("", "store: migration", 7),
    Kill("", "store: migration", 16),
]
WHILE_TIME_IS_MOVED_ON: Final = [
    Kill("", "trigger: before commit", 26),
    Kill("", "trigger: after commit", 27),
    Kill("", "dispatch: sending", 2, unknown=True),
    Kill("", "dispatch: before decision", 2, unknown=True),
]

ABSORPTION: Final = [
    Kill("ivy-known", "ingest: appended"),  # the link is durable, the event that told is not
    Kill("ivy-known", "ingest: appended", 2, long=True),
    Kill("ivy-known", "trigger: mid-slice", long=True),
    Kill("ivy-known", "trigger: before commit"),
    Kill("ivy-known", "trigger: after commit"),
    Kill("ivy-known", "trigger: before commit", 2, long=True),
    Kill("ivy-known", "trigger: after commit", 2, long=True),
    Kill("ivy-known", "relay: appended"),
    Kill("ivy-known", "relay: appended", 2, long=True),
    Kill("ivy-known", "dispatch: before commit"),
    Kill("ivy-known", "dispatch: before commit", 2, long=True),
]
TEXTS: Final = [
    Kill("gil-page", "dispatch: sending", unknown=True),
    Kill("gil-page", "dispatch: answered", unknown=True),
    Kill("gil-page", "dispatch: before decision", unknown=True),
    Kill("gil-delivered", "dispatch: receipt"),
    Kill("gil-stops", "dispatch: address closed"),
    Kill("gil-stops", "dispatch: opt-out"),
    Kill("gil-page-again", "dispatch: before commit", long=True),
]
WEBHOOKS: Final = [
    Kill("hal-page", "dispatch: sending"),
    Kill("hal-page", "dispatch: answered"),
    Kill("hal-page", "dispatch: before decision"),
]
ERASURE: Final = [
    Kill(act, point, nth, long=act == "kim-erased")
    for act in ("kim-erased", "joe-erased")
    for point, nth in (
        ("erasure: noted", 1),
        ("trigger: before commit", 1),
        ("trigger: after commit", 1),
        ("relay: appended", 1),
        ("dispatch: before commit", 1),
    )
]
PEOPLE: Final = [*ABSORPTION, *TEXTS, *WEBHOOKS, *ERASURE, Kill("kim-late", "trigger: before commit")]
