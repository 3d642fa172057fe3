"""Messages that were decided long ago are found, to be let go of."""

from tactful.postgres import indexes

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    indexes.build("dispatch_message_decided", "dispatch_message (decided_at)")
