"""Ports of 127.0.0.1 that stay free until the process they are meant for has started."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

# Below the range that Linux, macOS and Windows give to connections: what is free there is not taken by one meanwhile.
_FIRST, _LAST = 10_240, 32_000
_STRIDE = 997  # neighbours among the process ids, two workers of one run say, begin this far apart

_numbers = itertools.count(os.getpid() * _STRIDE)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on and that were not given away before."""
    while True:
        ports = [_FIRST + next(_numbers) % (_LAST - _FIRST) for _ in range(count)]
        if ports[-1] - ports[0] != count - 1:
            continue
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports[0]


def free_port() -> int:
    """A port that nobody listens on and that was not given away before."""
    return free_ports(1)
