"""Stores in PostgreSQL: connections, transactions, schema."""

from tactful.postgres.database import Postgres
from tactful.postgres.days import keep_days
from tactful.postgres.schema import REVISION
from tactful.postgres.several import each, opened, opened_for_a_move, places_are_taken, take_places, upgrade

__all__ = [
    "REVISION",
    "Postgres",
    "each",
    "keep_days",
    "opened",
    "opened_for_a_move",
    "places_are_taken",
    "take_places",
    "upgrade",
]
