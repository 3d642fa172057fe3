"""SIGTERM ends a process also before it serves: the first one of a container by default does not hear it."""

from __future__ import annotations

import signal
import subprocess
import sys

from tactful_workbench.cluster.waiting import waiting

COMMAND = """
import os, signal, sys
from tactful_workbench.cli import main
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as it is for the first process
sys.argv = ["tactful", "stop", "--help"]
try:
    main()
except SystemExit:
    os.kill(os.getpid(), signal.SIGTERM)
    print("serves on")
"""


def test_a_command_ends_when_it_is_told_though_it_is_the_first_process() -> None:
    ended = subprocess.run([sys.executable, "-c", COMMAND], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, "serves on" in ended.stdout) == (128 + signal.SIGTERM, False)


async def test_whoever_has_waited_for_servers_hears_it_as_before() -> None:
    def told(number: int, frame: object) -> None:
        """Whoever began this process hears of it."""

    before = signal.signal(signal.SIGTERM, told)
    try:
        async with waiting(None):
            assert signal.getsignal(signal.SIGTERM) is not told
        assert signal.getsignal(signal.SIGTERM) is told
    finally:
        signal.signal(signal.SIGTERM, before)
