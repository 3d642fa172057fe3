"""What a served product does for those who wait for an answer."""

from __future__ import annotations

import socket

from tactful_workbench.listening import listen
from tactful_workbench.running import rest


def test_answers_leave_at_once_since_the_listener_names_its_protocol() -> None:
    """asyncio switches Nagle's algorithm off for sockets that say TCP, and for no others."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_round_during_which_nobody_came_is_followed_by_the_next_one_at_once() -> None:
    assert rest(took=0.2, came=0) == 0


def test_who_waits_at_the_door_goes_before_the_next_round() -> None:
    assert rest(took=0.2, came=1) == rest(took=0.2, came=100) > 0.2
