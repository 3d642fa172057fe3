"""When an event happened, from what its sender says and from when it arrived. Instants are ms UTC.

Segment's rule (receivedAt - (sentAt - timestamp)) is not followed to the letter: several clients freeze `sentAt` at
their first attempt, and the correction would move event times by the length of an outage. A client's clock is
believed unless `sentAt` lies more than five minutes ahead of us. No event happens after its arrival. A `sentAt` by which it
would have happened before there were such clocks corrects nothing: both were not told by one clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tactful.clock import MINUTE
from tactful.events.instants import EARLIEST

AHEAD: Final = 5 * MINUTE


def occurred_at(told: int | None, sent: int | None, received: int, client_time: Callable[[int], int]) -> int:
    """The instant to keep. `told` and `sent` are by the client's clock, the result is by ours."""
    if told is None:
        return received
    happened = client_time(told)
    if sent is not None and (ahead := client_time(sent) - received) > AHEAD and happened - ahead >= EARLIEST:
        happened -= ahead
    return min(happened, received)
