"""`--workers N`: who dies is replaced, who refuses ends all, and all end when they are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """
import os, pathlib, signal, sys, time
from tactful.errors import SettingsError
from tactful_workbench.process.workers import run_processes

folder = pathlib.Path(sys.argv[1])

def work(number, again):
    if (folder / "refuse").exists():
        raise SettingsError("no such topic; run `tactful setup`")
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    (folder / f"{number}.new").write_text(str(os.getpid()))
    (folder / f"{number}.new").replace(folder / f"{number}")  # whole, whenever somebody looks
    while not stop:
        time.sleep(0.02)

def forked():
    if (folder / "end while one is begun").exists():
        os.kill(os.getpid(), signal.SIGTERM)

os.register_at_fork(after_in_parent=forked)
sys.exit(run_processes(2, work))
"""


@contextmanager
def family(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def pid(folder: Path, number: int) -> int:
    until((folder / str(number)).exists)
    return int((folder / str(number)).read_text())


def test_who_dies_is_replaced_and_all_end_when_they_are_told(tmp_path: Path) -> None:
    with family(tmp_path) as process:
        first, second = pid(tmp_path, 0), pid(tmp_path, 1)
        os.kill(first, signal.SIGKILL)
        until(lambda: pid(tmp_path, 0) != first)
        assert pid(tmp_path, 1) == second
        process.terminate()
        assert process.wait(20) == 0
    for gone in (pid(tmp_path, 0), second):
        assert not (Path("/proc") / str(gone)).exists()


def test_who_is_just_begun_again_ends_with_the_others(tmp_path: Path) -> None:
    with family(tmp_path) as process:
        first, second = pid(tmp_path, 0), pid(tmp_path, 1)
        (tmp_path / "end while one is begun").touch()
        os.kill(first, signal.SIGKILL)
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert not (Path("/proc") / str(second)).exists()


def test_nobody_lives_on_when_the_one_that_began_them_is_killed(tmp_path: Path) -> None:
    with family(tmp_path) as process:
        first, second = pid(tmp_path, 0), pid(tmp_path, 1)
        os.kill(first, signal.SIGKILL)
        until(lambda: pid(tmp_path, 0) != first)
        process.kill()
        for one in (pid(tmp_path, 0), second):
            until(lambda one=one: not (Path("/proc") / str(one)).exists())  # type: ignore[misc]


def test_what_has_to_be_mended_is_said_and_nobody_is_started_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "refuse").touch()
    with family(tmp_path) as process:
        assert process.wait(20) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert "no such topic; run `tactful setup`" in said
    assert said.count("no such topic") <= 2


def test_who_refuses_in_the_place_of_one_that_died_ends_nobody_and_is_tried_again(tmp_path: Path) -> None:
    with family(tmp_path) as process:
        first, second = pid(tmp_path, 0), pid(tmp_path, 1)
        (tmp_path / "refuse").touch()
        os.kill(first, signal.SIGKILL)
        assert process.stderr is not None
        while "no such topic" not in process.stderr.readline():
            pass
        (tmp_path / "refuse").unlink()
        until(lambda: pid(tmp_path, 0) != first)
        assert pid(tmp_path, 1) == second
        process.terminate()
        assert process.wait(20) == 0
