"""A real server in a process of its own: started on a free port, spoken to over HTTP and by its command line."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

import httpx
from freeports import free_port

from tactful_workbench.cli import main

TACTFUL = Path(sys.executable).with_name("tactful")
START = "2026-11-23T14:00+01:00"  # a Monday in Madrid, far from quiet hours
PATIENCE = 30.0  # seconds for what takes a second on an idle machine


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        [TACTFUL, *arguments],
        check=False,
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def run_here(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As `run`, in this process: a command that a running server answers needs none of its own, and starting one takes a second."""
    out, err, code, keyboard = io.StringIO(), io.StringIO(), 0, sys.stdin
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.stdin = io.StringIO()  # nobody is there to answer
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        finally:
            sys.stdin = keyboard
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


class Spoken:
    """What a process prints, as it prints it."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, text: str) -> str:
        """The first line that contains the text; fails if the process ends or falls silent before."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._line(text) is not None, PATIENCE)
            line = self._line(text)
        assert line is not None, f"never said {text!r}, but:\n{self.text}"
        return line

    def close(self) -> None:
        """Wait for the end of the stream; the process must have ended."""
        self._reader.join(PATIENCE)

    def _line(self, text: str) -> str | None:
        return next((line for line in self._lines if text in line), None)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Server:
    """`tactful dev` or `tactful serve all` over one data folder. `command` is all but the port and the folder."""

    def __init__(self, folder: Path, *command: str, ready: str = "  clock ") -> None:
        self.folder, self.command, self._ready, self.key = folder, command, ready, "dev_server"
        self.data, self.port = folder / "data", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> Server:
        """Start, and return once the banner has been printed."""
        self._process, self.said = self._begun(*self.command, "--port", str(self.port))
        try:
            self.said.wait_for(self._ready)
        except AssertionError:
            self.stop()
            raise
        return self

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> int:
        """End it as an operator would; the exit code."""
        return self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop whatever runs."""
        self.http.close()
        if self._process is not None:
            self.stop()

    def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """Post JSON, or bytes as they are, with a write key."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.post(path, auth=(self.key if key is None else key, ""), **content)

    def get(self, path: str) -> httpx.Response:
        """Get a page; a redirection is followed."""
        return self.http.get(path, follow_redirects=True)

    def advance(self, by: str = "", to: str = "") -> dict[str, Any]:
        """Move the dev clock on; what happened."""
        response = self.post("/dev/clock", {"advance": by} if by else {"to": to})
        assert response.status_code == 200, response.text
        report: dict[str, Any] = response.json()
        return report

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command on the same data folder."""
        serves = arguments[0] in ("dev", "serve")
        how = run if serves or self._process is None or _is_in_a_loop() else run_here
        return how(*arguments, "--data", str(self.data), cwd=self.folder)

    def told(self, *arguments: str) -> str:
        """What a command prints, which must succeed."""
        ended = self.cli(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @contextlib.contextmanager
    def following(self, *arguments: str) -> Iterator[Spoken]:
        """A command that goes on until it is no longer needed, and what it prints meanwhile."""
        process, said = self._begun(*arguments)
        try:
            yield said
        finally:
            process.terminate()
            process.wait(PATIENCE)
            said.close()

    def _begun(self, *arguments: str) -> tuple[subprocess.Popen[str], Spoken]:
        process = subprocess.Popen(
            [TACTFUL, *arguments, "--data", str(self.data)],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        return process, Spoken(process.stdout)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None, "the server is not running"
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        code = process.wait(PATIENCE)
        self.said.close()
        return code


def dev_server(folder: Path) -> Server:
    """`tactful dev` in a folder of its own, not started yet."""
    return Server(folder, "dev", "--at", START)


def _is_in_a_loop() -> bool:
    """As a test that drives a browser; a command has a loop of its own."""
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop() is not None
    return False


def _environment() -> dict[str, str]:
    """No proxy, no settings of the shell that runs the tests."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"}
