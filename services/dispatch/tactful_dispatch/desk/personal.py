"""Port: what a person may ask about themselves as a whole. Dispatch knows only a part; whoever puts the services together
knows the rest."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Farewell(NamedTuple):
    """An erasure that was taken. Instants in ms."""

    at: int
    log_clean_at: int  # when the log itself holds nothing of them any more


class PersonalData(Protocol):
    """A copy of everything, and the end of it."""

    async def who(self, customer: str) -> str:
        """Who they turned out to be; themselves if nobody else."""
        ...

    async def export(self, customer: str) -> bytes:
        """JSON of everything that is kept. Raises InvalidInput `erased` or `unknown_customer`."""
        ...

    async def erase(self, customer: str, via: str, alone: bool = False) -> Farewell:
        """Durable when it returns; carried out when trigger and dispatch have read it, in a moment. `alone`: whom they turn out to
        be meanwhile stays."""
        ...
