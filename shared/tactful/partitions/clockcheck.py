"""Whether an owner's clock and the log's agree within two minutes. Where they do not, the owner leaves its partitions to others
until they do; nothing is lost by it, and nothing is sent at the wrong hour."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

from tactful.clock import MINUTE
from tactful.errors import ClocksApart, StreamStopped

APART: Final = 2 * MINUTE
TRY_AGAIN: Final = MINUTE  # our own clock is ahead: nobody but it can say when it no longer is


def refuse_what_is_ahead(where: str, appended: int, now: int) -> None:
    """Raises ClocksApart if a record that was read was appended (ms) more than two minutes ahead of this clock."""
    if appended > now + APART:
        raise ClocksApart(f"{where}: a record is more than two minutes ahead of this clock", 0, appended - APART)


def refuse_to_be_ahead(where: str, appended: int, now: int) -> None:
    """Raises ClocksApart if this clock is more than two minutes ahead of what the log stamped on our own record just now."""
    if now > appended + APART:
        raise ClocksApart(f"{where}: this clock is more than two minutes ahead of the log's", now, now + TRY_AGAIN)


def clocks_are_apart(stopped: MutableMapping[int, StreamStopped], now: int) -> bool:
    """Whether clocks that disagree keep one of these partitions stopped. Those where that is over leave `stopped`."""
    apart = {partition: error for partition, error in stopped.items() if isinstance(error, ClocksApart)}
    if any(error.since <= now < error.until for error in apart.values()):
        return True
    for partition in apart:
        del stopped[partition]
    return False


def forget_stop(stopped: MutableMapping[int, StreamStopped], partition: int) -> None:
    """Forget why a partition stopped, now that it is somebody else's: they find out by themselves. Not so where the clocks
    disagree: whoever stands back for that owns nothing until it is over, and has to know."""
    if not isinstance(stopped.get(partition), ClocksApart):
        stopped.pop(partition, None)
