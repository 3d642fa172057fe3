"""What a partition has not told yet is found by partition, in order: by id alone, a partition with nothing to tell read past what
was deleted of all others. Vacuum leaves the table its size: over one that it had cut to nothing PostgreSQL made a plan that reads
all of it, and kept to that while it grew."""

from alembic import op

from tactful.postgres import indexes

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for table in ("trigger_outbox", "dispatch_outbox"):
        indexes.build(f"{table}_order", f"{table} (partition, id)")
        op.execute(f"ALTER TABLE {table} SET (vacuum_truncate = false)")
