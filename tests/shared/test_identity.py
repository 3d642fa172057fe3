"""Names that are computed: the same for the same thing, whoever computes them, today and after a redeploy."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tactful.erasure import Graves
from tactful.identity import digest, event_hash, fraction, message_id, run_id

plain = st.text(st.characters(codec="utf-8"))


def test_names_are_those_that_were_given_before() -> None:
    """Stored rows and messages under way carry them: a change here would send everything again."""
    run = run_id("abandoned_cart", "u1", "", "shop", "e1")
    assert run == "r_1cf76918e3a626fdd824159e"
    assert message_id(run, 0, 1) == "m_7f3bb9073787a4134d78f46d"
    assert event_hash("shop", "e1").hex() == "84673d2b8254a2a2"
    assert Graves(b"secret").of("u1") == "8a629605d37d74d6c872140bed892da5"


def test_names_do_not_depend_on_the_process() -> None:
    program = "from tactful.identity import *; print(run_id('r', 'u', 'k', 's', 'e'), fraction('r', 'u'))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{run_id('r', 'u', 'k', 's', 'e')} {fraction('r', 'u')}\n"}


@given(st.lists(plain, min_size=1, max_size=4), st.lists(plain, min_size=1, max_size=4))
def test_different_parts_have_different_names_however_they_are_cut(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_everything_that_makes_an_occurrence_goes_into_its_name() -> None:
    parts = ("rule", "subject", "key", "source", "event")
    names = {run_id(*(part + "!" * (place == changed) for place, part in enumerate(parts))) for changed in range(6)}
    assert len(names) == 6


def test_the_sends_of_a_run_and_of_its_generations_have_names_of_their_own() -> None:
    assert len({message_id("r_1", generation, nth) for generation in range(12) for nth in range(12)}) == 144


def test_an_event_of_another_source_is_another_event() -> None:
    assert event_hash("shop", "e1") != event_hash("till", "e1")
    assert len(event_hash("shop", "e1")) == 8


@given(plain, plain)
def test_a_fraction_is_below_one_and_the_same_for_ever(rule: str, subject: str) -> None:
    assert 0 <= fraction(rule, subject) < 1
    assert fraction(rule, subject) == fraction(rule, subject)


def test_fractions_draw_evenly() -> None:
    drawn = [fraction("holdout", f"u{number}") for number in range(20_000)]
    assert abs(sum(value < 0.1 for value in drawn) / len(drawn) - 0.1) < 0.01
