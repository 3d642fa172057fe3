"""How many partitions the log has, as it was at the first start: whatever is kept of a customer is found by partition."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from tactful.errors import SettingsError
from tactful.postgres.database import Postgres

_NOTE: Final = text("INSERT INTO log_shape (partitions) VALUES (:partitions) ON CONFLICT DO NOTHING")
_NOTED: Final = text("SELECT partitions FROM log_shape")


async def keep_shape(database: Postgres, partitions: int) -> None:
    """Note it once. Raises SettingsError if it is not what was noted."""
    await database.run(lambda db: db.execute(_NOTE, {"partitions": partitions}))
    [(noted,)] = await database.ask(_NOTED)
    if noted != partitions:
        raise SettingsError(
            f"the topics have {partitions} partitions and had {noted} at the first start: customers' rows, consent included, "
            f"would be looked for in the wrong place. Partitions are never added; use topics with {noted}"
        )
