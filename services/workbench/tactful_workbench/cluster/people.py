"""How services over PostgreSQL reach what is known of one person."""

from __future__ import annotations

from collections.abc import Callable

from tactful_dispatch.desk.reception import Reception
from tactful_workbench.cluster.ground import Ground
from tactful_workbench.operating.notebook import LogRemembers
from tactful_workbench.operating.personal import Personal


def desk(here: Ground, changed: Callable[[], None]) -> Reception:
    """`changed` is told that there is something to send."""
    return Reception(here.dispatch, here.addresses, here.graves, here.time, here.log, changed)


def personal(here: Ground) -> Personal:
    """A copy of everything, and its erasure."""
    return Personal(
        here.log,
        here.trigger,
        here.dispatch,
        here.book,
        here.graves,
        LogRemembers(),
        here.time,
        here.settings_now,
        here.addresses,
    )
