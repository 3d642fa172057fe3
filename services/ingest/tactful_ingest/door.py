"""The door's ports (`Door`), and what it knows of one request (`Visit`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

from tactful.clock import Clock
from tactful.keys import Key, KeyRing
from tactful.log import Log
from tactful_ingest.limits import Limits
from tactful_ingest.overload import InFlight


def unshifted(instant: int) -> int:
    """The client's clock and ours tell the same time. In the dev server they do not."""
    return instant


@dataclass(frozen=True)
class Door:
    """Handed to `create_app` by a composition root.

    `client_time` turns an instant (ms) of a client's clock into our time. `jitter` draws from [0, 1) and spreads
    the clients that are told to come back later.
    """

    log: Log
    keys: KeyRing
    clock: Clock
    currency: Callable[[], str]  # ISO 4217, of amounts that name none
    client_time: Callable[[int], int] = unshifted
    limits: Limits = field(default_factory=Limits)
    jitter: Callable[[], float] = random.random
    words: Iterator[int] = field(default_factory=count)  # numbers what is said without an id

    @cached_property
    def flight(self) -> InFlight:
        """What is between arrival and answer."""
        return InFlight(self.limits.requests_in_flight, self.limits.bytes_in_flight)


@dataclass(frozen=True, slots=True)
class Visit:
    """One authenticated request: what its events are read with."""

    key: Key
    source: str  # what its events carry as their source
    received: int  # ms
    currency: str
    door: Door


def visit(door: Door, key: Key) -> Visit:
    """A request that arrives now."""
    return Visit(key, _escaped(key.name), door.clock.now(), door.currency(), door)


def foreign_source(visit: Visit, source: str) -> str:
    """The source of an event that names its own (CloudEvents): `<key>|<source>`.

    A bar in a key's name is escaped, so no key can speak for another one's sources.
    """
    return f"{visit.source}|{source}"


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("|", "%7C")
