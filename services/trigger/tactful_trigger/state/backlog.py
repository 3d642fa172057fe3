"""Whether the store may have work of a partition that waits to be done (outbox records, steps): it is asked only then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Backlog:
    """There may be some from before this process, from a commit, or because the last attempt failed."""

    def __init__(self) -> None:
        self._may = True

    def note(self, came: bool) -> None:
        """A commit has brought some, or none."""
        self._may |= came

    async def do(self, work: Callable[[], Awaitable[int]]) -> int:
        """`work` does some of it and says how many; 0 without it if there is nothing."""
        if not self._may:
            return 0
        self._may = False
        try:
            count = await work()
        except BaseException:
            self._may = True
            raise
        self._may |= count > 0  # there may be more
        return count
