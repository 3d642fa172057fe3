"""A minute of what `make faults SECONDS=3600` does for an hour."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafkaserver import ServersMissing, servers_are_needed
from nemesis import nemesis
from servers import SERVERS

pytestmark = [*SERVERS, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_nothing_is_lost_doubled_or_sent_after_an_opt_out(tmp_path: Path, seed: int) -> None:
    try:
        report = await nemesis(60, seed, every=10, rate=11, folder=tmp_path)
    except ServersMissing as missing:
        if servers_are_needed():
            raise
        pytest.skip(str(missing))
    assert report.wrong == []
