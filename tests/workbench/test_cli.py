"""The command line in a terminal: one that is not in UTF-8, and one whose user is impatient."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tactful_workbench.cli import main

IMPATIENT = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "tactful_workbench.commands.explain":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from tactful_workbench.cli import main
main()
"""
ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}


def test_what_was_typed_in_another_encoding_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "Jos\udce9", "--data", str(tmp_path)])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "'Jos\\udce9' is not in UTF-8; type it in a terminal that is\n"


def preview(*options: str) -> str:
    program = "from tactful_workbench.cli import main; main()"
    command = [sys.executable, "-c", program, "templates", "preview", "confirm_consent", "--locale", "ru", *options]
    said = subprocess.run(command, env=ASCII, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    return said.stdout


def test_what_a_terminal_cannot_show_is_no_reason_to_end() -> None:
    assert "Subject: \\u" in preview()


def test_json_is_json_in_any_terminal() -> None:
    assert "«" in json.loads(preview("--json"))["text"], "Python itself would escape it as \\xab"


def test_a_command_that_is_interrupted_while_it_is_loaded_ends_without_a_word() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "explain", "u1"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (130, "", "")


@pytest.mark.parametrize("port", ["0", "65535"])
def test_a_port_for_metrics_without_room_for_those_of_every_worker_is_refused(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "trigger", "--kafka", "kafka://h", "--postgres", "postgresql://h/d", "--metrics-port", port])
    assert ended.value.code == 2
    assert "Invalid value for '--metrics-port'" in capsys.readouterr().err
