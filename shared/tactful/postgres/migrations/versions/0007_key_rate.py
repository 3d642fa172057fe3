"""How often a key may knock; as often as there is room where nothing stands."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE write_key ADD COLUMN per_second double precision")
