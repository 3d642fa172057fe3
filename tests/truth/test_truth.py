"""Carts, sends, missed orders and complaints of real shops, row for row; and how often a cart counts under other understandings of it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from replaying import SETTINGS
from truth import DELAYS, LISTS, SHOPS, Shop, expected, simulate
from truth_orders import drawn, missed
from variants import variants

from tactful_workbench.virtual.simulation import settings_from

LARGEST = "missed_cj"
# `make long` runs these: each takes half a minute and more, and smaller files of their kind stay.
LONG = {
    *(f"carts_taobao_window_{delay}" for delay in DELAYS),
    "sends_taobao_window_1h",
    "missed_cdnow",
    "rfm_cdnow",
    "rfm_cj",
}
DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.surroundings,
    pytest.mark.skipif(not (DATA / "truth").exists(), reason=f"no data and expected answers at {DATA}"),
    pytest.mark.timeout(300),
]


def named(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.long) if name in LONG else name


@pytest.mark.parametrize("name", [named(name) for name in sorted(LISTS.keys() - {LARGEST})])
def test_the_shipped_rule_gives_the_expected_rows(name: str) -> None:
    wanted = expected(DATA / "truth" / f"{name}.csv.gz")
    assert len(wanted) > 10
    assert LISTS[name](DATA) == wanted


@pytest.mark.long
def test_the_shipped_rule_gives_the_expected_rows_for_one_household_in_ten_of_the_largest_file() -> None:
    """All of them take minutes: `benchmarks/truth.py` compares them."""
    wanted = [row for row in expected(DATA / "truth" / f"{LARGEST}.csv.gz") if drawn(row[0], 10)]
    assert len(wanted) > 500
    assert missed("cj", DATA, share=10) == wanted


@pytest.mark.parametrize(
    "shop",
    [pytest.param(shop, marks=[pytest.mark.long] if "taobao" in shop.name else []) for shop in SHOPS],
    ids=[shop.name for shop in SHOPS],
)
@pytest.mark.parametrize("delay", DELAYS)
def test_other_understandings_of_a_left_cart_give_the_expected_counts(shop: Shop, delay: str) -> None:
    truth: dict[str, Any] = json.loads((DATA / "truth" / "expected.json").read_text())[f"carts_{shop.name}"]["grid"]
    rules = variants(delay)
    settings = settings_from(SETTINGS / "variants.toml")
    counted: defaultdict[str, list[str]] = defaultdict(list)
    for message in simulate(shop, DATA, settings, rules, only_carts=True).messages():
        counted[message.rule].append(message.customer)
    found = {name: {"fires": len(whose), "visitors": len(set(whose))} for name, whose in counted.items()}
    wanted = {rule.name: {key: truth[rule.name][key] for key in ("fires", "visitors")} for rule in rules}
    assert len(wanted) == 8
    assert found == wanted
