"""Commands of a newer program beside a server that was not started anew since the upgrade."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from devserver import run_here

from tactful_workbench.embedded.serverfile import ServerFile

RULE: dict[str, Any] = {
    "name": "abandoned_cart",
    "version": 1,
    "mode": "live",
    "rollout": 1.0,
    "standing": "",
    "why": "",
    "live_runs": 4,
    "origin": "tactful 0.1.0",
    "forecast": None,
    "results": {"sent": 0},
}


class Before(BaseHTTPRequestHandler):
    """A server that knows nothing of rules that are parked or not installed any more."""

    def do_GET(self) -> None:
        told = json.dumps({"rules": [RULE], "broken": []}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with HTTPServer(("127.0.0.1", 0), Before) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        ServerFile(f"http://127.0.0.1:{server.server_port}", 1, "token").write(tmp_path)
        yield tmp_path
        server.shutdown()


def test_what_a_server_of_the_program_before_does_not_tell_of_rules_is_left_out(data: Path) -> None:
    listed = run_here("rules", "list", "--data", str(data), cwd=data)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.strip() == "abandoned_cart v1  live  4 live runs  from tactful 0.1.0"
