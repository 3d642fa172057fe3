"""What the shipped projections do with a stored state of a version that this program does not know."""

from __future__ import annotations

from typing import Any, NoReturn

from tactful.errors import UnknownState


class FirstVersion:
    """A projection whose state has had one form so far: there is nothing to migrate from."""

    name: str
    version = 1

    def migrate(self, version: int, old: Any) -> NoReturn:
        """Raises UnknownState, which stops the partition rather than have the customers' events quarantined: the way out is
        another program, not other input."""
        raise UnknownState(
            f"projection {self.name}: a stored state has version {version}, this program knows only version "
            f"{self.version}; go back to the release that wrote version {version}, or install a later one"
        )
