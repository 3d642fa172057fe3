"""`--workers N`: a process per core, forked from one that has loaded everything; who dies is replaced.

Each reads from a pipe whose other end only the process that began them holds, and ends when that one has, were it killed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from tactful.errors import TactfulError

REFUSED: Final = 1  # exit code of a process that says what has to be mended
APART: Final = 1.0  # seconds between two starts of one that keeps dying
_ENDS: Final = (signal.SIGINT, signal.SIGTERM)

Work = Callable[[int, bool], None]

_logger = logging.getLogger(__name__)


def run_processes(count: int, work: Work) -> int:
    """Run `work(0, False)` to `work(count - 1, False)`, each in a process of its own, until SIGINT or SIGTERM; the exit code.

    Call before anything has started a thread or an event loop. One that dies is started again, as `work(number, True)`. One that
    refuses to start ends all of them; one in the place of another ends nobody, and is tried again. When this
    process is gone, were it killed, they are told to end (SIGTERM).
    """
    family = _Family(work)
    for number in range(count):
        family.start(number)
    for number in _ENDS:
        signal.signal(number, family.end)
    return family.wait()


class _Family:
    """The processes, by pid."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._alive: dict[int, tuple[int, bool]] = {}
        self._ending, self._code = False, 0
        self._gone, self._held = os.pipe()  # held open by this process alone

    def start(self, number: int, again: bool = False) -> None:
        """Fork. A signal that comes meanwhile is heard once the new process is known: otherwise it would live on."""
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        try:
            if self._ending:
                return
            if (pid := os.fork()) == 0:
                os.close(self._held)
                _live(self._work, number, again, self._gone)
            self._alive[pid] = (number, again)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)

    def end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True
        for pid in tuple(self._alive):
            os.kill(pid, signal.SIGTERM)

    def wait(self) -> int:
        while self._alive:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            if (who := self._alive.pop(pid, None)) is not None:
                self._left(*who, pid, os.waitstatus_to_exitcode(status))
        return self._code

    def _left(self, number: int, again: bool, pid: int, code: int) -> None:
        if self._ending:
            self._code = self._code or max(code, 0)
        elif code == REFUSED and not again:
            self._code = REFUSED
            self.end(signal.SIGTERM, None)
        else:
            _logger.error("process %s (worker %s) ended with %s and is started again", pid, number, code)
            time.sleep(APART)
            self.start(number, again=True)


def _end_with(gone: int) -> None:
    """Tell this process to end once nobody holds the other end of the pipe."""
    os.read(gone, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _live(work: Work, number: int, again: bool, gone: int) -> NoReturn:
    """The life of a forked process, which ends in here."""
    code = 0
    for each in _ENDS:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    threading.Thread(target=_end_with, args=(gone,), name="end with the first", daemon=True).start()
    try:
        work(number, again)
    except TactfulError as error:
        print(error, file=sys.stderr)
        code = REFUSED
    except BaseException:
        _logger.exception("worker %s failed", number)
        code = 2
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
