"""What happens to a stored state of a version that this program does not know."""

from __future__ import annotations

from tactful.errors import UnknownState


def unknown_state(projection: str, version: int, known: int) -> UnknownState:
    """The error that `migrate` raises.

    It stops the partition rather than have the customers' events quarantined: the way out is another program, not
    other input.
    """
    return UnknownState(
        f"projection {projection}: a stored state has version {version}, this program knows only version {known}; "
        f"go back to the release that wrote version {version}, or install a later one"
    )
