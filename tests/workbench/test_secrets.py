"""Secrets of a deployment: made once, whole, and for nobody else to read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tactful.errors import SettingsError, TactfulError
from tactful_workbench.commands.keys import webhook
from tactful_workbench.shop.secrets import LINK_KEY, secret, shared_secret


def test_whoever_asks_first_or_at_the_same_time_gets_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: secret(tmp_path, LINK_KEY), range(40)))
    assert made == {shared_secret(tmp_path, LINK_KEY)}
    assert len(made.pop()) == 32
    [file] = (tmp_path / "secrets").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("ask", [secret, shared_secret])
@pytest.mark.parametrize("size", [0, 31])
def test_a_secret_that_was_not_written_to_its_end_is_refused_by_name(
    tmp_path: Path, ask: Callable[[Path, str], bytes], size: int
) -> None:
    secret(tmp_path, LINK_KEY)
    file = tmp_path / "secrets" / LINK_KEY
    file.write_bytes(b"x" * size)
    with pytest.raises(SettingsError, match=rf"secrets/link-key has {size} bytes and must have 32 or more"):
        ask(tmp_path, LINK_KEY)


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "secrets").touch()
    with pytest.raises(SettingsError, match="cannot be made or read"):
        secret(tmp_path, LINK_KEY)


def test_no_secret_for_the_receiver_of_a_webhook_is_made_up_in_a_folder_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(TactfulError, match="name yours with --data"):
        webhook(tmp_path / "mistyped")
    assert not list(tmp_path.iterdir())
