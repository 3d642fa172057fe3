"""Each database knows which one of how many it is, where trigger's store is spread over several."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE TABLE trigger_place (number integer NOT NULL, databases integer NOT NULL)")
