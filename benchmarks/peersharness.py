"""The harness that measures other stream processors, which does not ship: the README in its folder says what it is. It wants CPython
3.11, a JDK 17, Maven and a network the first time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

DURABLE: Final = ("quix-eos", "bytewax", "kstreams-eos")  # keep their state and say each thing once, or snapshot it
OWN: Final = "own"


class Harness:
    """What measures the peers; `work` holds everything that it made."""

    def __init__(self, peers: Path, work: Path, **environment: str) -> None:
        self._peers, self._python = peers, str(work / "venvs" / "noop" / "bin" / "python")
        self._environment = os.environ | {"WORK": str(work), "PORT": "29092"} | environment
        self.results = work / "results.jsonl"
        work.mkdir(parents=True, exist_ok=True)
        self._do("./setup.sh")
        self.results.unlink(missing_ok=True)

    @contextmanager
    def broker(self) -> Iterator[None]:
        """While it runs."""
        self._do("./broker.sh", "start")
        try:
            yield
        finally:
            self._do("./broker.sh", "stop")

    def run(self, *arguments: str) -> None:
        """One command of the harness, to its end."""
        self._do(self._python, "run.py", *arguments)

    def told(self) -> list[dict[str, Any]]:
        """What was measured."""
        return [json.loads(line) for line in self.results.read_text().splitlines()]

    def _do(self, *command: str) -> None:
        subprocess.run(command, check=True, cwd=self._peers, env=self._environment)
