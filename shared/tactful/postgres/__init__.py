"""Stores in PostgreSQL: connections, transactions, schema."""

from tactful.postgres.database import Postgres
from tactful.postgres.days import days_as_in, keep_days, spans
from tactful.postgres.schema import REVISION
from tactful.postgres.several import check_before_a_move, each, opened, opened_for_a_move, take_places, upgrade
from tactful.postgres.shape import keep_shape

__all__ = [
    "REVISION",
    "Postgres",
    "check_before_a_move",
    "days_as_in",
    "each",
    "keep_days",
    "keep_shape",
    "opened",
    "opened_for_a_move",
    "spans",
    "take_places",
    "upgrade",
]
