"""The tables of trigger, dispatch and the doors. Text is compared by code point, as in the other stores."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """CREATE TABLE trigger_cursor (
        partition integer PRIMARY KEY, value bytea NOT NULL, next_offset bigint NOT NULL, epoch bigint NOT NULL,
        owner text NOT NULL, lease_until bigint NOT NULL)""",
    """CREATE TABLE trigger_row (
        partition integer NOT NULL, customer text COLLATE "C" NOT NULL, value bytea NOT NULL, due bigint,
        busy boolean NOT NULL, PRIMARY KEY (partition, customer)) WITH (fillfactor = 80)""",
    "CREATE INDEX trigger_row_due ON trigger_row (partition, due) WHERE due IS NOT NULL",
    "CREATE INDEX trigger_row_busy ON trigger_row (partition, customer) WHERE busy",
    """CREATE TABLE trigger_outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, partition integer NOT NULL, topic text NOT NULL,
        target integer NOT NULL, seq bigint NOT NULL, value bytea NOT NULL, cause bytea NOT NULL,
        UNIQUE (partition, topic, target, seq))""",
    """CREATE TABLE trigger_history (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text COLLATE "C" NOT NULL, at bigint NOT NULL,
        log_offset bigint NOT NULL, position integer NOT NULL, kind text NOT NULL, rule text NOT NULL, run text NOT NULL,
        data bytea NOT NULL)""",
    "CREATE INDEX trigger_history_customer ON trigger_history (customer, id)",
    """CREATE TABLE trigger_step (
        id bigint GENERATED ALWAYS AS IDENTITY, run text NOT NULL, number integer NOT NULL, partition integer NOT NULL,
        customer text COLLATE "C" NOT NULL, value bytea NOT NULL, PRIMARY KEY (run, number))""",
    "CREATE INDEX trigger_step_partition ON trigger_step (partition, id)",
    """CREATE TABLE trigger_grave (
        partition integer NOT NULL, grave text NOT NULL, erased_at bigint NOT NULL, PRIMARY KEY (partition, grave))""",
    """CREATE TABLE worker (
        service text NOT NULL, owner text NOT NULL, until bigint NOT NULL, PRIMARY KEY (service, owner))""",
    """CREATE TABLE dispatch_cursor (
        partition integer PRIMARY KEY, value bytea NOT NULL, epoch bigint NOT NULL, owner text NOT NULL,
        lease_until bigint NOT NULL)""",
    """CREATE TABLE dispatch_customer (
        partition integer NOT NULL, customer text COLLATE "C" NOT NULL, value bytea NOT NULL, due bigint,
        pending boolean NOT NULL, PRIMARY KEY (partition, customer)) WITH (fillfactor = 80)""",
    "CREATE INDEX dispatch_customer_due ON dispatch_customer (partition, due) WHERE due IS NOT NULL",
    "CREATE INDEX dispatch_customer_pending ON dispatch_customer (partition, customer) WHERE pending",
    """CREATE TABLE dispatch_address (
        channel text NOT NULL, hash text NOT NULL, value bytea NOT NULL, PRIMARY KEY (channel, hash))""",
    """CREATE TABLE dispatch_message (
        message text PRIMARY KEY, partition integer NOT NULL, customer text COLLATE "C" NOT NULL, decided_at bigint,
        arrived boolean NOT NULL, value bytea)""",
    "CREATE INDEX dispatch_message_customer ON dispatch_message (customer, decided_at)",
    """CREATE TABLE dispatch_ledger (
        partition integer NOT NULL, number bigint NOT NULL, commitment bytea NOT NULL, hash bytea NOT NULL, salt bytea,
        entry bytea, customer text COLLATE "C", PRIMARY KEY (partition, number))""",
    "CREATE INDEX dispatch_ledger_customer ON dispatch_ledger (customer) WHERE customer IS NOT NULL",
    """CREATE TABLE dispatch_outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, partition integer NOT NULL, topic text NOT NULL,
        target integer NOT NULL, seq bigint NOT NULL, value bytea NOT NULL, cause bytea NOT NULL,
        UNIQUE (partition, topic, target, seq))""",
    """CREATE TABLE dispatch_grave (
        partition integer NOT NULL, grave text NOT NULL, erased_at bigint NOT NULL, PRIMARY KEY (partition, grave))""",
    """CREATE TABLE write_key (
        fingerprint bytea PRIMARY KEY, name text NOT NULL UNIQUE, scope text NOT NULL, revoked boolean NOT NULL)""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
