"""Keys as an operator asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tactful_workbench.cli import _app


@pytest.mark.parametrize("rate", ["nan", "inf"])
@pytest.mark.parametrize("asked", [("create", "page", "--per-second"), ("limit", "page")])
def test_a_rate_that_is_no_number_of_requests_is_refused(tmp_path: Path, asked: tuple[str, ...], rate: str) -> None:
    told = CliRunner().invoke(_app(["keys"]), ["keys", *asked, rate, "--data", str(tmp_path)])
    assert f"{rate} is no rate" in told.output
