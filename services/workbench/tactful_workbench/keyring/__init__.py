"""Write keys in a table, beside a few that this process knows by itself.

Tables: `tactful_workbench.keyring.sqlite`, `tactful_workbench.keyring.postgres`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import inf
from secrets import token_urlsafe
from typing import Final, Protocol

from tactful.errors import InvalidInput, StoreUnavailable
from tactful.keys import OPERATOR, FixedKeys, Key, fingerprint
from tactful_workbench.process.looking import within

MEMORY: Final = 30.0  # seconds for which a found key is believed: another process may have revoked it
PATIENCE: Final = 1.5  # seconds for the table to answer: whoever stands at the door is owed a word within two
_SCOPES: Final = ("server", "browser", OPERATOR)
_OURS: Final = frozenset({"command-line", "dispatch", "trigger"})  # sources under which Tactful itself speaks


class KeyTable(Protocol):
    """Where keys are kept, by the fingerprint of their secret."""

    async def find(self, mark: bytes) -> Key | None: ...
    async def insert(self, mark: bytes, key: Key) -> bool:
        """False if the name is taken."""
        ...

    async def listed(self) -> list[tuple[Key, bool]]: ...
    async def limit(self, name: str, per_second: float | None) -> bool:
        """False if there is none of that name."""
        ...

    async def revoke(self, name: str) -> bool:
        """False if there is none of that name."""
        ...


class Keys:
    """Implements `tactful.keys.KeyRing`. What the table said of a secret is believed for `MEMORY` seconds, or until a key is made or
    changed here; while the table is away, a key goes on opening what it has opened."""

    def __init__(
        self, table: KeyTable, known: Iterable[tuple[str, Key]], seconds: Callable[[], float] = time.monotonic
    ):
        self._table, self._known, self._seconds = table, FixedKeys(known), seconds
        self._found: dict[bytes, Key | None] = {}
        self._opened: dict[bytes, Key] = {}  # as the table said last
        self._since = seconds()

    async def find(self, secret: str) -> Key | None:
        if (key := await self._known.find(secret)) is not None:
            return key
        mark = fingerprint(secret)
        if len(self._found) > 10_000 or self._seconds() - self._since > MEMORY:
            self._found, self._since = {}, self._seconds()
        found = self._found  # what is read now goes with what was remembered before a key changed
        if mark not in found:
            found[mark] = await self._look_up(mark)
        return found[mark]

    async def _look_up(self, mark: bytes) -> Key | None:
        """Raises StoreUnavailable if the table is away, unless the key has opened before."""
        opened = self._opened
        try:
            key = await self._ask_table(mark)
        except StoreUnavailable:
            if (key := opened.get(mark)) is not None:
                return key
            raise
        if key is None:
            opened.pop(mark, None)
        else:
            opened[mark] = key
        return key

    async def _ask_table(self, mark: bytes) -> Key | None:
        """Raises StoreUnavailable if there is no answer in time."""
        try:
            return await within(PATIENCE, self._table.find(mark))
        except TimeoutError:
            raise StoreUnavailable(f"the table of keys has not answered for {PATIENCE} s") from None

    async def create(self, name: str, scope: str, per_second: float | None = None) -> str:
        """A new key's secret, shown once. Raises InvalidInput for a taken name, an unknown scope or a rate of nothing."""
        if scope not in _SCOPES:
            raise InvalidInput("invalid_scope", f'a key is one of: {", ".join(_SCOPES)}; not "{scope}"')
        if not name or ":" in name or not name.isprintable():
            raise InvalidInput("invalid_name", "a key needs a name of characters that can be printed, without a colon")
        if name in _OURS:
            raise InvalidInput(
                "reserved_name", f'Tactful itself speaks as "{name}"; choose another name, like {name}-shop'
            )
        secret = f"tk_live_{token_urlsafe(24)}"
        if not await self._table.insert(fingerprint(secret), Key(name, scope, _rate(per_second))):
            raise InvalidInput("name_taken", f'there is a key called "{name}" already; choose another name')
        self._found = {}
        return secret

    async def listed(self) -> list[tuple[Key, bool]]:
        """Every key, in order of name, and whether it was revoked."""
        return await self._table.listed()

    async def limit(self, name: str, per_second: float | None) -> None:
        """Change a key's rate (requests a second; None: no limit); other processes follow within half a minute. Raises InvalidInput
        for a rate of nothing, or if there is no key of that name."""
        changed = await self._table.limit(name, _rate(per_second))
        self._found = {}
        _must_exist(name, changed)

    async def revoke(self, name: str) -> None:
        """Refuse it from now on; other processes do within half a minute. Raises InvalidInput if there is none of that name."""
        changed = await self._table.revoke(name)
        self._found, self._opened = {}, {mark: key for mark, key in self._opened.items() if key.name != name}
        _must_exist(name, changed)


def _must_exist(name: str, changed: bool) -> None:
    if not changed:
        raise InvalidInput("no_such_key", f'there is no key called "{name}"; `tactful keys list` names them')


def _rate(per_second: float | None) -> float | None:
    if per_second is None or 0 < per_second < inf:
        return per_second
    raise InvalidInput(
        "invalid_rate", f"{per_second:g} requests a second are no rate; a key that may post nothing is revoked"
    )
