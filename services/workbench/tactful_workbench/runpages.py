"""Rows that hold runs, a page at a time, as the admin routes give them to whoever checks rules against them."""

from __future__ import annotations

import msgspec


class StoredRow(msgspec.Struct, frozen=True):
    """A customer's row as it is stored."""

    customer: str
    row: msgspec.Raw


class Page(msgspec.Struct, frozen=True):
    """Of one partition in order of customer. `reached`: the last one looked at, "" at the end."""

    rows: list[StoredRow]
    reached: str
    partitions: int
