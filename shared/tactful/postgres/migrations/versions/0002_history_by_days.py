"""History by days: a day that retention no longer keeps is dropped whole. What was there becomes the first part, up to the day
after tomorrow; the program before this one goes on writing as it did."""

import time

from alembic import op

from tactful.clock import DAY
from tactful.postgres.days import day_of

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "ALTER TABLE trigger_history RENAME TO trigger_history_first",
    "ALTER INDEX trigger_history_customer RENAME TO trigger_history_first_customer",
    "ALTER TABLE trigger_history_first ALTER COLUMN id DROP IDENTITY",
    "CREATE SEQUENCE trigger_history_number",
    "SELECT setval('trigger_history_number', (SELECT coalesce(max(id), 0) + 1 FROM trigger_history_first))",
    """CREATE TABLE trigger_history (
        id bigint NOT NULL DEFAULT nextval('trigger_history_number'), customer text COLLATE "C" NOT NULL, at bigint NOT NULL,
        log_offset bigint NOT NULL, position integer NOT NULL, kind text NOT NULL, rule text NOT NULL, run text NOT NULL,
        data bytea NOT NULL) PARTITION BY RANGE (at)""",
    "CREATE INDEX trigger_history_customer ON trigger_history (customer, id)",
    "ALTER TABLE trigger_history_first ALTER COLUMN id SET DEFAULT nextval('trigger_history_number')",
    "CREATE TABLE trigger_history_stray PARTITION OF trigger_history DEFAULT",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    end = day_of(round(time.time() * 1000)) + 2 * DAY
    op.execute(
        f"ALTER TABLE trigger_history ATTACH PARTITION trigger_history_first FOR VALUES FROM (MINVALUE) TO ({end})"
    )
