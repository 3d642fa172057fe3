"""News of orders while a rule waits for the day on which the next one is overdue."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tactful import Run
from tactful.events import OrderCancelled, OrderCompleted, OrderRefunded

RESTS: Final = 60  # after so many visits in a row a run that leaves them alone starts over: its journal has an end
_EVER: Final = "800d"


async def undisturbed(run: Run, moment: datetime, *, orders_since: int) -> bool:
    """Wait for a moment; False as soon as an order is cancelled or given back, or one is told so late that it did not end the
    run: then the rhythm is another one. `orders_since`: the rule's version that listens to orders."""
    late = (OrderCompleted,) if run.since(orders_since) else ()
    news = [run.wait_for(event, within=_EVER) for event in (OrderCancelled, OrderRefunded, *late)]
    return (await run.wait_any(run.sleep_until(moment), *news))[0] == 0
