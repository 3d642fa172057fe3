"""Indexes in a revision: built and dropped while slices go on writing to their table.

Each way is its own transactions, so a revision that was interrupted is begun again: what is whole stays, what is not is built anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from sqlalchemy import text


def build(name: str, on: str) -> None:
    """`on`: table, columns and condition. Not for a table by days: there the index is made of the table `ONLY`, so that days that are
    made from then on have it."""
    with _between_transactions():
        broken = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
        if op.get_bind().execute(broken, {"name": name}).all():
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}")


def drop(name: str) -> None:
    """The program before may have it in use: it is gone once nobody reads it."""
    with _between_transactions():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _between_transactions() -> Iterator[None]:
    """It waits for whoever reads or writes, a back-up say, as long as that takes: nobody waits for it meanwhile."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            op.execute("RESET lock_timeout")
