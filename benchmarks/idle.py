"""What `tactful dev` costs when nothing happens: time until it is ready, memory, and processor time at rest.

`python benchmarks/idle.py [--seconds 20] [--data DIR]` prints each figure beside its goal; exit code 1 if one is missed.
Reads /proc, so it runs on Linux only. Child processes count.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Final, NamedTuple

TICKS: Final = os.sysconf("SC_CLK_TCK")  # of processor time, per second
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
SETTLING: Final = 3.0  # seconds after the banner that belong to the start


class Figure(NamedTuple):
    """One measurement, and the most it may be."""

    name: str
    value: float
    goal: float
    unit: str

    def __str__(self) -> str:
        verdict = "ok" if self.value <= self.goal else "MISSED"
        return f"{self.name:<9} {self.value:8.2f} {self.unit:<5} goal {self.goal:g} {self.unit}  {verdict}"


def main() -> int:
    """Start, measure, stop."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=20.0, help="how long to watch it at rest")
    options.add_argument("--data", type=Path, help="data folder; a new one if not given")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(chosen.data or Path(folder) / "data", chosen.seconds)
    print(*figures, sep="\n")
    return int(any(figure.value > figure.goal for figure in figures))


def measure(data: Path, seconds: float) -> list[Figure]:
    """The three figures of one start."""
    command = [str(Path(sys.executable).with_name("tactful")), "dev", "--data", str(data), "--port", str(_free_port())]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            _banner(server.stdout)
            ready = time.monotonic() - started
            time.sleep(SETTLING)
            family = family_of(server.pid)
            busy, began = _busy(family), time.monotonic()
            time.sleep(seconds)
            share = (_busy(family) - busy) / (time.monotonic() - began)
            memory = sum(resident(pid) for pid in family)
        finally:
            server.terminate()
    return [
        Figure("ready", ready, 2.0, "s"),
        Figure("RSS", memory / 2**20, 150.0, "MB"),
        Figure("idle CPU", 100 * share, 1.0, "%"),
    ]


def family_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(relative for child in children for relative in family_of(int(child)))]


def _banner(output: IO[str]) -> None:
    for line in output:
        if line.startswith("  clock"):
            return
    raise SystemExit("the server ended before it was ready")


def _busy(pids: list[int]) -> float:
    """Seconds of processor time so far, in user and kernel mode."""
    return sum(sum(map(int, _stat(pid)[11:13])) for pid in pids) / TICKS


def proportional(pid: int) -> int:
    """Bytes in memory; a page that processes share is divided among them (proc(5), Pss)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def resident(pid: int) -> int:
    """Bytes in memory; pages that processes share count for each."""
    return int(_stat(pid)[21]) * PAGE


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat after the command's name, which may contain blanks (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
