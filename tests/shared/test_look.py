"""The design tokens keep WCAG 2.2 AA in both colour schemes."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product
from typing import Final

import pytest

from tactful.contrast import READABLE, contrast

LOOK: Final = files("tactful").joinpath("look.css").read_text(encoding="utf-8")


def tokens(scheme: str) -> dict[str, str]:
    blocks = re.findall(r":root\s*{([^}]*)}", LOOK)
    light = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", blocks[0]))
    return light if scheme == "light" else light | dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", blocks[1]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("word", "ground"),
    [
        *product(("ink", "soft-ink", "accent", "sent", "held", "refused", "unknown"), ("paper", "raised")),
        ("on-accent", "accent"),
    ],
)
def test_words_stand_out_from_their_ground(scheme: str, word: str, ground: str) -> None:
    colours = tokens(scheme)
    assert contrast(colours[word], colours[ground]) >= READABLE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("mark", "ground"), [*product(("edge", "accent"), ("paper", "raised"))])
def test_the_outlines_of_controls_can_be_seen(scheme: str, mark: str, ground: str) -> None:
    colours = tokens(scheme)
    assert contrast(colours[mark], colours[ground]) >= 3


def test_the_contrast_formula_gives_the_published_extremes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("colour", ["teal", "#abc", "#0f5c5c;", "", "rgb(0,0,0)"])
def test_only_colours_in_full_have_a_contrast(colour: str) -> None:
    with pytest.raises(ValueError, match="is no colour like"):
        contrast(colour, "#ffffff")


def test_every_colour_is_a_token() -> None:
    outside_tokens = re.sub(r":root\s*{[^}]*}", "", LOOK)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", outside_tokens)


def test_the_look_loads_nothing_from_elsewhere() -> None:
    assert "url(" not in LOOK
    assert "@import" not in LOOK
    assert "</" not in LOOK
