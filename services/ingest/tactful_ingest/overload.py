"""Saying no in time: how much is in flight, and how often one key may knock."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from tactful.clock import SECOND, Clock
from tactful.keys import Key
from tactful_ingest.answers import Refusal


class InFlight:
    """How many requests and bytes this process holds between arrival and answer, and how many it may hold."""

    def __init__(self, requests: int, size: int) -> None:
        self._requests, self._size = requests, size
        self.requests = self.size = 0
        self.entered = 0  # requests since the start

    def enter(self) -> Ticket:
        """Room for one more request; leave it by `with`. Raises Refusal 503."""
        if self.requests >= self._requests:
            raise _full()
        return Ticket(self)

    def fits(self, size: int) -> bool:
        """Whether so many more bytes have room."""
        return self.size + size <= self._size


class Ticket:
    """One request's share of what is in flight."""

    def __init__(self, flight: InFlight) -> None:
        self._flight, self._size = flight, 0

    def carry(self, size: int) -> None:
        """So many bytes more. Raises Refusal 503."""
        if not self._flight.fits(size):
            raise _full()
        self._flight.size += size
        self._size += size

    def __enter__(self) -> Self:
        self._flight.requests += 1
        self._flight.entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flight.requests -= 1
        self._flight.size -= self._size


class Rate:
    """A token bucket per key: `per_second` requests, and after a pause as many at once as fit into a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, int]] = {}  # key -> tokens left, and when

    def take(self, key: Key) -> None:
        """One request of a key. Raises Refusal 429."""
        if key.per_second is None:
            return
        now, full = self._clock.now(), max(key.per_second, 1.0)
        left, since = self._buckets.get(key.name, (full, now))
        left = min(full, left + key.per_second * max(0, now - since) / SECOND)
        if left < 1:
            self._buckets[key.name] = (left, now)  # the clock may have been set back
            raise Refusal(429, "rate_limited", "this key posts too often; come back later", later=True)
        self._buckets[key.name] = (left - 1, now)


def _full() -> Refusal:
    return Refusal(503, "overloaded", "too much is in flight; nothing was stored, post it again later", later=True)
