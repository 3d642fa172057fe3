"""What can go wrong, and what the caller should do then.

TactfulError
├── InvalidInput        refuse or quarantine; never retry
├── PluginError         name the rule, list it as broken, go on with the rest
├── SettingsError       refuse to start or to save; the message names file, line and mend
│   ├── SchemaBehind    wait until the schema was brought up to date
│   └── TopicMissing    wait until the topics were made
├── Transient           retry later; nothing was changed
│   ├── LogUnavailable  answer 503 with Retry-After
│   └── StoreUnavailable
├── Fenced              another owner has the partition: drop state in memory, claim again
├── StoreLocked         another process has the file open
├── StoreTooNew         the file was written by a newer version
└── StreamStopped       a partition must not go on: page somebody
    ├── OutboxGap       records of an origin are missing
    ├── ClocksApart     the owner's clock and the log's do not agree: leave it to others until they do
    ├── PoisonFlood     too much unusable input in a row
    ├── NewerRecord     a record is meant for a newer program
    ├── UnknownState    a stored state is of a version that this program does not know
    ├── RecordTooLarge  the log will never take a record
    ├── RetentionOverrun  the log has let go of what was not read yet
    ├── AnotherLog        what was read before stands in it no more
    ├── UnstampedRecord   a record without an append time
    ├── DamagedRecord   what the log has cannot be unpacked
    └── RewoundStore      the store was restored from the past
"""

from __future__ import annotations

import traceback
from typing import Final


class TactfulError(Exception):
    """Root of all named errors."""


class InvalidInput(TactfulError):
    """Input that can never be used. `field` is the path of what is wrong, `code` a closed short name."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


class PluginError(TactfulError):
    """A plugin is broken. The message names the rule, the file, the line and the mend."""


class SettingsError(TactfulError):
    """A settings or data file is wrong. The message names the file, the line and the mend."""


class SchemaBehind(SettingsError):
    """The database has no schema or an older one; `tactful db upgrade` brings it up to date."""


class TopicMissing(SettingsError):
    """The brokers have no such topic; `tactful setup` makes it."""


class Transient(TactfulError):
    """Infrastructure is away; the same call may succeed later and nothing was half done."""


class LogUnavailable(Transient):
    """The log cannot take records now (away, full, or overloaded)."""


class StoreUnavailable(Transient):
    """The store cannot be read or written now."""


class Fenced(TactfulError):
    """The partition's cursor has another epoch or offset: somebody else owns it, or already did this work."""


class StoreLocked(TactfulError):
    """Another process holds the file; the message names the file and what to do."""


class StoreTooNew(TactfulError):
    """The file's schema is newer than this program; the message names both versions."""


class StreamStopped(TactfulError):
    """The partition stops visibly rather than go on with damaged input."""


class OutboxGap(StreamStopped):
    """A sequence number of an origin is missing."""


class ClocksApart(StreamStopped):
    """The owner's clock and the log's are more than two minutes apart. It may be over once the owner's clock is outside of
    [since, until), in ms."""

    def __init__(self, what: str, since: int, until: int) -> None:
        super().__init__(f"{what}; check the clocks")
        self.since, self.until = since, until


class PoisonFlood(StreamStopped):
    """Too many records in a row could not be applied."""


class NewerRecord(StreamStopped):
    """A record is of a version that this program does not know."""


class UnknownState(StreamStopped):
    """A projection's stored state has a version that this program cannot read; the message says which program can."""


class RecordTooLarge(StreamStopped):
    """The log takes no record of this size, now or later: whoever posts it is refused."""


class RetentionOverrun(StreamStopped):
    """The log no longer has the record that comes next: whatever stood there is lost to this reader."""


class AnotherLog(StreamStopped):
    """The log is not the one that was read up to here: what comes next stands for something else."""


class RewoundStore(StreamStopped):
    """The store stands behind what was read before: opt-outs and messages since then are unknown to it."""


class UnstampedRecord(StreamStopped):
    """The log does not stamp append times, so nobody knows when anything was acknowledged."""


class DamagedRecord(StreamStopped):
    """The log's own form of what comes next is broken, as by a bad disk."""


NOT_THE_DATA: Final = (Transient, Fenced, StreamStopped, SettingsError)
"""What another record would meet as well: these are never blamed on the record at hand."""


def would_meet_all(error: Exception) -> bool:
    """Whether every record would meet this error, so that reading one by one finds no culprit. Not so a gap in an outbox: the
    records before it can still be applied."""
    return isinstance(error, NOT_THE_DATA) and not isinstance(error, OutboxGap)


def raised_at(error: BaseException) -> str:
    """The line that raised, and what kind of error. Its words are left out: they may name a person, and are not for the log."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{frame.f_code.co_filename}:{line}: {type(error).__name__}"
