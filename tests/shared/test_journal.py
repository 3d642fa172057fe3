"""What a run waits for, as people at the shop read it."""

from __future__ import annotations

import pytest

from tactful.journal import Wait

ORDER = Wait(op="wait_for", shape="wait_for Order Completed", since=0)
CANCELLED = Wait(op="wait_for", shape="wait_for Order Cancelled", since=0)
SLEEP = Wait(op="sleep", shape="sleep_until", since=0)


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (SLEEP, "time to pass"),
        (ORDER, "Order Completed"),
        (Wait(op="quiet", shape="quiet", since=0, length=3_600_000), "1h of quiet"),
        (Wait(op="engaged", shape="engaged email", since=0), "a reaction to the email"),
        (Wait(op="send", shape="send push abandoned_cart", since=0), "what becomes of the push"),
        (Wait(op="step", shape="step stock", since=0), "step stock"),
        (
            Wait(op="wait_any", shape="", since=0, branches=(SLEEP, CANCELLED, ORDER)),
            "time to pass, Order Cancelled or Order Completed",
        ),
        (Wait(op="wait_any", shape="", since=0, branches=(ORDER,)), "Order Completed"),
    ],
)
def test_a_story_says_what_a_run_waits_for_in_words(wait: Wait, words: str) -> None:
    assert wait.words == words
