"""How much the door takes at once. Beyond a request's limit the answer is a 4xx, beyond the process's a 503."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    body_bytes: int = 4 * 1024 * 1024  # as sent, and again after decompression
    event_bytes: int = 32 * 1024
    depth: int = 32  # objects and arrays inside one another
    events: int = 2_500  # in one request

    requests_in_flight: int = 512
    bytes_in_flight: int = 64 * 1024 * 1024

    body_seconds: float = 30.0  # uvicorn itself waits for ever
    append_seconds: float = 9.0  # several clients post again after 10 s without an answer
    probe_seconds: float = 2.0  # an orchestrator that asks whether we are ready waits for 5

    links_remembered: int = 65_536
