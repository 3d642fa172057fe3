"""Stores in PostgreSQL: connections, transactions, schema."""

from tactful.postgres.database import Postgres
from tactful.postgres.days import keep_days
from tactful.postgres.schema import REVISION
from tactful.postgres.several import opened, upgrade

__all__ = ["REVISION", "Postgres", "keep_days", "opened", "upgrade"]
