"""A stored state that its projection cannot read: it is carried along as it is, until one can."""

from __future__ import annotations

from typing import Any

import msgspec

from tactful.projections import Projection
from tactful_trigger.projections import OURS


class Unread(tuple[int, msgspec.Raw]):
    """Version and state as they are stored, like those of a projection that is not loaded; `error` says why."""

    error: BaseException


def read_state(projection: Projection[Any] | None, version: int, raw: msgspec.Raw) -> tuple[int, Any]:
    """A state from its stored form, with the version that it has now. One that a plugin's projection cannot read is Unread: nobody
    else's row is to suffer from it."""
    if projection is None:
        return (version, raw)
    if projection.name in OURS:
        return projection.version, _read(projection, version, raw)
    try:
        return projection.version, _read(projection, version, raw)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's `migrate` raises
        unread = Unread((version, raw))
        unread.error = error
        return unread


def fitting(projection: Projection[Any], state: Any) -> Any:
    """A state that a projection gave, as it comes back from the store. Raises TypeError for what does not."""
    try:
        return msgspec.json.decode(msgspec.json.encode(state), type=projection.state)
    except Exception as error:  # noqa: BLE001 - whatever stands in a stranger's state
        raise TypeError(f"gave what {projection.state.__name__} cannot hold: {error}") from None


def _read(projection: Projection[Any], version: int, raw: msgspec.Raw) -> Any:
    if version == projection.version:
        return msgspec.json.decode(raw, type=projection.state)
    migrated = projection.migrate(version, msgspec.json.decode(raw))
    return migrated if projection.name in OURS else fitting(projection, migrated)
