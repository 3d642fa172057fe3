"""Messages that were decided long ago are found, to be let go of."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("CREATE INDEX dispatch_message_decided ON dispatch_message (decided_at)")
