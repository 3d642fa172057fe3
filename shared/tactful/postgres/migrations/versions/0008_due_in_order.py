"""Whoever falls due at one instant, by the hundred thousand at ten in the morning, is found in order of id: each look read and
sorted all of them. The program before this one finds them by the same indexes."""

from tactful.postgres import indexes

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for table in ("trigger_row", "dispatch_customer"):
        indexes.build(f"{table}_due_order", f"{table} (partition, due, customer) WHERE due IS NOT NULL")
        indexes.drop(f"{table}_due")
