"""Two collections of bad input: broken and odd JSON texts, and strings that break programs. See corpora.md."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from zipfile import ZipFile

import msgspec

ARCHIVE = Path(__file__).with_name("corpora.zip")


@cache
def json_texts() -> dict[str, bytes]:
    """JSONTestSuite by file name: `y_` must be accepted, `n_` must be refused, `i_` may be either."""
    with ZipFile(ARCHIVE) as archive:
        names = [name for name in archive.namelist() if name.startswith("json_test_suite/") and name.endswith(".json")]
        return {name.partition("/")[2]: archive.read(name) for name in names}


@cache
def naughty_strings() -> tuple[str, ...]:
    """The Big List of Naughty Strings."""
    with ZipFile(ARCHIVE) as archive:
        return msgspec.json.decode(archive.read("naughty_strings/blns.json"), type=tuple[str, ...])
