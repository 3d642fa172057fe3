"""One PostgreSQL database: a pool, transactions that end, and what each failure means.

A backend that stands still would keep asyncpg waiting for ever, also when it cancels
(https://github.com/MagicStack/asyncpg/issues/1326), so every transaction has a deadline, and a connection that ran into it
is cut rather than closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import asyncpg
from asyncpg.exceptions import ClientConfigurationError
from sqlalchemy import TextClause, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tactful.errors import InvalidInput, SettingsError, StoreUnavailable
from tactful.postgres import waits
from tactful.postgres.schema import check, upgrade

T = TypeVar("T")

SHAPE: Final = "postgresql://USER:PASSWORD@host:5432/database?sslmode=require"
DIRECTLY: Final = "give the address of PostgreSQL itself: each process keeps at most ten connections"
DEADLINE: Final = 20.0  # seconds for one transaction
UPGRADE: Final = 6 * 3600.0  # seconds: an index over all that was ever sent takes its time
TOLD: Final = 10.0  # seconds between two looks at what an upgrade waits for
CONNECTING: Final = 5.0
CONNECTIONS: Final = 10  # of one process, at most
TRIES: Final = 5  # of a transaction that lost against another one
LIMITS: Final = {
    "application_name": "tactful",
    "statement_timeout": "15000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "20000",
    "timezone": "UTC",
    "jit": "off",
}
_OPTIONS: Final = ("sslmode", "sslrootcert", "host", "port")
_HASTY: Final = text("SET LOCAL synchronous_commit = off")
_LOST: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_USELESS: Final = (TimeoutError, asyncpg.ReadOnlySQLTransactionError)
"""After these a connection is of no more use. One to a standby, or of a time when nothing might be written, stays what it is
for as long as it lives: only a new one finds the server that takes what we write."""
_POOLED: Final = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""What PgBouncer makes of statements that belong to a session; it takes none of our settings either, unless it is told to drop
them."""
_WRONG: Final = (
    asyncpg.DataError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.ProgramLimitExceededError,  # longer than an index takes
)


class Postgres:
    """Raises StoreUnavailable for whatever may go well later, and InvalidInput for a value that no column takes."""

    def __init__(self, engine: AsyncEngine, deadline: float) -> None:
        self._engine, self._deadline = engine, deadline
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, connections: int = CONNECTIONS, deadline: float = DEADLINE
    ) -> AsyncIterator[Postgres]:
        """Raises SettingsError if the URL or the schema is not as it must be, StoreUnavailable, StoreTooNew."""
        database = cls(_engine(url, connections, deadline), deadline)
        try:
            await database._begin(check)
            yield database
        finally:
            await database.close()

    @classmethod
    async def upgrade(
        cls, url: str, tell: Callable[[str], object] = lambda line: None, every: float = TOLD
    ) -> tuple[str, str]:
        """Bring the schema up to date; the revisions before and after. `tell` hears what it waits for, looked at `every` so many seconds.
        Raises SettingsError, StoreUnavailable.

        Slices queue behind a step that waits for whoever reads a table for long: it gives way before a lease ends.
        """
        limits = {"statement_timeout": "0", "lock_timeout": "2000", "application_name": waits.UPGRADE}
        database = cls(_engine(url, 2, UPGRADE, **limits), UPGRADE)
        look = partial(database.ask, waits.WAITED, ours=waits.UPGRADE)
        telling = asyncio.create_task(waits.tell_of_waits(look, tell, every))
        try:
            return await database._begin(partial(upgrade, tell=tell))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await database.close()

    async def _begin(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """`run` for whoever is only about to start: a server that refuses us has to be mended first."""
        try:
            return await self.run(work)
        except _Refused as error:
            raise SettingsError(str(error)) from error

    async def close(self) -> None:
        await self._engine.dispose()

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]], *, durable: bool = True) -> T:
        """`work` in one transaction, committed when this returns; again from the beginning if it lost against another one.

        An error of the commit itself says nothing: the caller has to look. What is not `durable` may be undone by a crash of
        the server within a second.
        """

        async def whole(db: AsyncConnection) -> T:
            if not durable:
                await db.execute(_HASTY)
            result = await work(db)
            await db.commit()
            return result

        return await self._persist(self._engine, whole)

    async def ask(self, statement: TextClause, **given: Any) -> Sequence[Any]:
        """The rows of one statement that is a transaction by itself: once to the server and back, `run` goes three times."""

        async def fetch(db: AsyncConnection) -> Sequence[Any]:
            return (await db.execute(statement, given)).all()

        return await self._persist(self._single, fetch)

    async def _persist(self, engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        for _ in range(TRIES - 1):
            with suppress(_Lost):
                return await self._once(engine, work)
        try:
            return await self._once(engine, work)
        except _Lost as error:
            raise StoreUnavailable(f"{TRIES} times in a row: {error}") from error

    async def _once(self, engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        connection: AsyncConnection | None = None
        try:
            async with asyncio.timeout(self._deadline):
                connection = await engine.connect()
                return await work(connection)
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if connection is not None and isinstance(_cause(error), _USELESS):
                await _cut(connection)
            raise _meaning(error) from error
        finally:
            if connection is not None:
                await _give_back(connection)


class _Lost(StoreUnavailable):
    """A deadlock or a serialization failure: the server has undone everything."""


class _Refused(StoreUnavailable):
    """User, database or rights are not as they must be. Who is at work already waits: it says nothing about the data, and
    whoever took a right away can give it back."""


def _cause(error: Exception) -> BaseException | None:
    """What the driver said."""
    return error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error


def _meaning(error: Exception) -> Exception:
    cause = _cause(error)
    words = f"{type(cause).__name__}: {cause}"
    if isinstance(cause, _LOST):
        return _Lost(words)
    if isinstance(cause, _WRONG):
        return InvalidInput("cannot_be_stored", words)
    if refusal := _refusal(cause):
        return _Refused(refusal)
    if isinstance(
        error, PoolTimeout | TimeoutError | OSError | DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError
    ):
        return StoreUnavailable(f"PostgreSQL: {words}")
    return error


def _refusal(cause: BaseException | None) -> str:
    """What somebody has to mend before the server lets us in, and how; "" for any other cause."""
    if isinstance(cause, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return f"PostgreSQL does not let us in: {cause}; check user and password"
    if isinstance(cause, ClientConfigurationError):
        return f"the PostgreSQL URL must look like {SHAPE}: {cause}"
    if isinstance(cause, asyncpg.InvalidCatalogNameError):
        return f"PostgreSQL: {cause}; make the database first"
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return f"PostgreSQL: {cause}; grant the right, or run `tactful db upgrade` as the owner"
    if isinstance(cause, _POOLED) or (isinstance(cause, asyncpg.ProtocolViolationError) and "startup" in str(cause)):
        return f"a pooler seems to stand before PostgreSQL ({cause.args[0]}); {DIRECTLY}"
    return ""


async def _cut(connection: AsyncConnection) -> None:
    """Close a connection without saying goodbye: its server does not answer."""
    with suppress(SQLAlchemyError, OSError, asyncpg.InterfaceError):
        raw: Any = await connection.get_raw_connection()
        raw.driver_connection.terminate()
        await connection.invalidate()


async def _give_back(connection: AsyncConnection) -> None:
    """Return a connection to the pool, rolled back unless it was committed. Shielded: a caller who is cancelled must not leave it half
    used."""
    with suppress(SQLAlchemyError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError, TimeoutError):
        async with asyncio.timeout(CONNECTING):
            await asyncio.shield(connection.close())


def _engine(url: str, connections: int, deadline: float, **limits: str) -> AsyncEngine:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres") or not rest:
        raise SettingsError(f"the PostgreSQL URL must look like {SHAPE}")
    try:
        where = make_url(f"postgresql+asyncpg://{rest}")
        return create_async_engine(
            where.set(query={}),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=deadline,
            pool_pre_ping=False,
            hide_parameters=True,  # they name customers and addresses, and errors end in the log
            connect_args={
                "timeout": CONNECTING,
                "command_timeout": deadline,
                "server_settings": {**LIMITS, **limits},
                **_told(where.query),
            },
        )
    except (SQLAlchemyError, ValueError):
        raise SettingsError(f"the PostgreSQL URL must look like {SHAPE}") from None


def _told(options: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
    """The options of libpq that we take, as asyncpg wants them: in a URL. They are about TLS, and about sockets that are files."""
    if unknown := options.keys() - set(_OPTIONS):
        raise SettingsError(
            f"the PostgreSQL URL has options that are not known: {', '.join(sorted(unknown))}; it may have {', '.join(_OPTIONS)}"
        )
    if (file := options.get("sslrootcert")) and not Path(str(file)).is_file():
        raise SettingsError(f"the PostgreSQL URL names a file that is not there: sslrootcert={file}")
    return {"dsn": f"postgresql://?{urlencode(options)}"} if options else {}
