"""What commands hear of a server that is not ours."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tactful.errors import TactfulError
from tactful_workbench.commands.smoke import smoke
from tactful_workbench.office import get, told


async def test_a_page_of_somebody_else_is_no_answer() -> None:
    asked = httpx.Request("POST", "https://shop.example/v1/identify")
    with pytest.raises(TactfulError, match=r"https://shop\.example/v1/identify is answered by somebody else"):
        await told(httpx.Response(200, html="<p>Welcome", request=asked))


def test_a_door_whose_address_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(TactfulError, match=r"--url http://\[::1 is no address of a door"):
        smoke("me@shop.example", "http://[::1", data=tmp_path)


def test_who_names_one_server_of_two_is_told_which_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TACTFUL_POSTGRES", raising=False)
    monkeypatch.setenv("TACTFUL_KAFKA", "kafka://127.0.0.1:9")
    with pytest.raises(TactfulError, match="of many machines, TACTFUL_POSTGRES is not set"):
        get(tmp_path, "/admin/keys")
