"""How many partitions the log had at the first start: customers are found by partition, so it must stay so."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("CREATE TABLE log_shape (one boolean PRIMARY KEY DEFAULT TRUE CHECK (one), partitions integer NOT NULL)")
