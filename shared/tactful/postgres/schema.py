"""The schema: revisions by Alembic, run by `tactful db upgrade`; services start only over the one that they know.

A revision only adds (expand), so that the program before it goes on working; what is no longer used goes two revisions later
(contract). Nor may it keep that program waiting: an index is built by `tactful.postgres.indexes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tactful.errors import SchemaBehind, SettingsError, StoreTooNew

REVISION: Final = "0010"
_AGAIN: Final = 0.2  # seconds
_HERE: Final = Path(__file__).with_name("migrations")


async def check(connection: AsyncConnection) -> None:
    """Raises SchemaBehind for a schema that is missing or old, StoreTooNew for one that this program does not know."""
    found = await revision(connection)
    if found == REVISION:
        return
    _refuse_newer(found)
    had = f"schema {found}" if found else "no schema"
    raise SchemaBehind(f"the database has {had} and this program needs {REVISION}; run `tactful db upgrade`")


def _refuse_newer(found: str) -> None:
    # A service that finds its schema does without Alembic: half a second, 15 MB.
    from alembic.script import ScriptDirectory

    known = [script.revision for script in ScriptDirectory(str(_HERE)).walk_revisions()]
    if found and found not in known:
        other = "or, if that is another application's, a database of its own"
        raise StoreTooNew(
            f"the database has schema {found}, this program knows {REVISION}; use the newer program, {other}"
        )


async def revision(connection: AsyncConnection) -> str:
    """ "" before the first upgrade."""
    there = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    if there is None:
        return ""
    return str(await connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


async def upgrade(connection: AsyncConnection, tell: Callable[[str], object]) -> tuple[str, str]:
    """Bring the schema up to date, one caller at a time; the revisions before and after. Raises StoreTooNew, and SettingsError
    for a new database that does not take every letter."""
    await _alone(connection, tell)
    before = await revision(connection)
    _refuse_newer(before)
    if not before:
        await _refuse_other_letters(connection)
    await connection.rollback()  # each revision begins its own
    await connection.run_sync(_upgrade)
    return before, await revision(connection)


async def _alone(connection: AsyncConnection, tell: Callable[[str], object]) -> None:
    """As long as the connection lasts. Whoever waited for it inside a transaction would be waited for by an index that is built."""
    told = False
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(7241)")):
        if not told:
            tell("waiting for another upgrade to end")
        told = True
        await connection.rollback()
        await asyncio.sleep(_AGAIN)


async def _refuse_other_letters(connection: AsyncConnection) -> None:
    encoding = await connection.scalar(text("SELECT current_setting('server_encoding')"))
    if encoding != "UTF8":
        raise SettingsError(
            f"the database is encoded in {encoding}, so that a customer's id with other letters could not be stored; make one "
            "with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
