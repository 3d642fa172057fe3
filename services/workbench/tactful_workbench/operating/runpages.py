"""Rows that hold runs, a page at a time, as the admin routes give them to whoever checks rules against them."""

from __future__ import annotations

import msgspec


class StoredRow(msgspec.Struct, frozen=True):
    """A customer's row as it is stored."""

    customer: str
    row: msgspec.Raw


class Page(msgspec.Struct, frozen=True):
    """Rows of one partition in order of customer. `reached`: the last customer looked at, "" at the end; `partitions`: how many
    there are."""

    rows: list[StoredRow]
    reached: str
    partitions: int
