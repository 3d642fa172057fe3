"""A file that is imported while the door is busy, or its log away."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from providerserver import RESET, Provider, provider_server

from tactful.errors import TactfulError
from tactful_workbench.commands.importing import LOT, TRIES, import_file, post_all
from tactful_workbench.embedded.serverfile import ServerFile

Answer: TypeAlias = tuple[int, dict[str, str], bytes] | str

ALIVE: Answer = (200, {}, b"{}")
TAKEN: Answer = (200, {}, b'{"success":true}')
BUSY: Answer = (503, {"retry-after": "0"}, b'{"code":"log_unavailable","message":"events cannot be stored now"}')


def calls() -> Iterator[bytes]:
    """Of two requests."""
    return iter([b'{"type":"track"}'] * (LOT + 10))


def server_at(provider: Provider, data: Path) -> None:
    ServerFile(f"http://127.0.0.1:{provider.port}", os.getpid(), "token").write(data)


async def test_a_door_that_puts_rows_off_is_asked_again(tmp_path: Path) -> None:
    async with provider_server() as provider:
        server_at(provider, tmp_path)
        provider.answers = [ALIVE, TAKEN, *[BUSY] * (TRIES - 1), TAKEN]
        answer = await post_all("orders.csv", calls, tmp_path, quiet=True)
    assert answer == {"rows": LOT + 10, "accepted": LOT + 10, "refused": 0}
    assert {len(json.loads(asked.body)["batch"]) for asked in provider.asked[2:]} == {10}


@pytest.mark.parametrize(
    ("answer", "says", "tries"), [(BUSY, "events cannot be stored now", TRIES), (RESET, "went away .* try again", 1)]
)
async def test_if_it_goes_on_to_do_so_or_is_gone_it_is_said_how_many_rows_are_in(
    tmp_path: Path, answer: Answer, says: str, tries: int
) -> None:
    async with provider_server() as provider:
        server_at(provider, tmp_path)
        provider.answers = [ALIVE, TAKEN, answer]
        with pytest.raises(TactfulError, match=rf"{says}\. 500 of 510 rows are in"):
            await post_all("orders.csv", calls, tmp_path, quiet=True)
    assert len(provider.asked) == 2 + tries


@pytest.mark.parametrize(
    ("event", "warned"), [("Order Complete", True), ("Order Completed", False), ("identify", False)]
)
def test_rows_of_an_event_that_is_almost_ours_are_told_before_they_are_posted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], event: str, warned: bool
) -> None:
    (tmp_path / "orders.csv").write_text("userId,timestamp\nu1,2026-10-01T10:00:00Z\n")
    with pytest.raises(TactfulError, match="nothing runs on"):
        import_file(tmp_path / "orders.csv", event, data=tmp_path / "none")
    assert ('if you mean "Order Completed", correct it' in capsys.readouterr().err) == warned
