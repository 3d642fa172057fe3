"""Erasures are also noted outside of the database, so that one restored from a back-up erases again whom it has brought back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tactful.erasure import Erased
from tactful.errors import SettingsError
from tactful.sqlite import Database, unwritable

MIGRATIONS: Final = ("CREATE TABLE erasure_taken (grave TEXT PRIMARY KEY, erased_at INTEGER NOT NULL) WITHOUT ROWID",)


class Notebook:
    """`<data>/erasures`: a grave and an instant a line, on the disk when a call returns.

    The database knows which of them its own log holds. Its graves do not tell: somebody who has come back has none.
    """

    def __init__(self, data: Path, database: Database) -> None:
        self._file, self._database = data / "erasures", database

    @classmethod
    async def open(cls, data: Path, database: Database) -> Notebook:
        """Bring the table up to date. Raises StoreTooNew."""
        await database.migrate("erasures", MIGRATIONS)
        return cls(data, database)

    def note(self, erased: Erased) -> None:
        """Append it, on a line of its own even if a full disk has cut the line before. Raises StoreUnavailable."""
        try:
            with self._file.open("a") as file:
                file.write(f"\n{erased.grave} {erased.at}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self._file, error) from None

    async def took(self, erased: Erased) -> None:
        """The database's own log holds it from now on."""
        statement = "INSERT OR REPLACE INTO erasure_taken VALUES (?, ?)"
        await self._database.write(lambda db: db.execute(statement, (erased.grave, erased.at)))

    async def outstanding(self) -> dict[str, int]:
        """What was noted, and what this database does not know to be in its log: graves, and when. Raises SettingsError."""
        query = "SELECT grave, erased_at FROM erasure_taken"
        taken = dict(await self._database.read(lambda db: db.execute(query).fetchall()))
        return {grave: at for grave, at in self._noted().items() if taken.get(grave, -1) < at}

    def _noted(self) -> dict[str, int]:
        try:
            lines = self._file.read_text().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SettingsError(
                f"{self._file} cannot be read ({error.strerror}): whom it names has to stay erased; mend its rights"
            ) from None
        parts = [line.split() for line in lines]
        return {words[0]: int(words[1]) for words in parts if len(words) == 2 and words[1].isdigit()}


class LogRemembers:
    """Takes the place of a notebook where the log is not in the database: what is restored there reads the log again from where
    its cursors then stand, and with it the erasures."""

    def note(self, erased: Erased) -> None:
        return None

    async def took(self, erased: Erased) -> None:
        return None

    async def outstanding(self) -> dict[str, int]:
        return {}
