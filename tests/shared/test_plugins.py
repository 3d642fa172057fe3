"""Plugins: what is found, and what is said about one that is broken while the rest loads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tactful.plugins import PROJECTIONS, Broken, Loaded, load_plugins
from tactful_trigger.projections.cart import CartProjection
from tactful_trigger.projections.orders import OrdersProjection

GOOD = """from tactful import rule

@rule(on="Thing Happened", purpose="marketing.test", version=1)
async def {name}(run, first):
    pass
"""
HEAD = "from tactful import rule\n\n"
POINTS = """import msgspec
from tactful.events import Event, OrderCompleted

class Points(msgspec.Struct, frozen=True):
    count: int = 0

class PointsProjection:
    name = "points"
    version = 1
    state = Points
    events = (OrderCompleted,)

    def fold(self, state, event):
        return Points(state.count + 1)

    def merge(self, mine, theirs):
        return Points(mine.count + theirs.count)

    def migrate(self, version, old):
        return Points(**old)

points = PointsProjection()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A rules folder with one good rule; what was imported from it is forgotten afterwards."""
    before = set(sys.modules)
    (tmp_path / "good.py").write_text(GOOD.format(name="good"))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(folder: Path, *points: EntryPoint) -> Loaded:
    return load_plugins(folder, points)


def broken(folder: Path, text: str, *points: EntryPoint) -> Broken:
    """What is said about a broken file, after making sure that its neighbour has been loaded."""
    (folder / "bad.py").write_text(text)
    loaded = load(folder, *points)
    assert [rule.name for rule in loaded.rules] == ["good"]
    (said,) = loaded.broken
    return said


def test_a_rule_in_the_folder_is_found_and_knows_where_it_stands(folder: Path) -> None:
    (rule,) = load(folder).rules
    assert (rule.name, rule.file, rule.line, rule.origin) == (
        "good",
        str(folder / "good.py"),
        3,
        str(folder / "good.py"),
    )


def test_a_folder_that_is_not_there_is_an_empty_one(tmp_path: Path) -> None:
    assert load(tmp_path / "rules") == Loaded((), (), ())
    assert load_plugins(None, ()) == Loaded((), (), ())


def test_the_shipped_rules_are_found_by_their_entry_point() -> None:
    loaded = load_plugins()
    assert ([rule.name for rule in loaded.rules], loaded.broken) == (
        [
            "abandoned_cart",
            "canary",
            "churn_risk",
            "complaint_followup",
            "confirm_consent",
            "missed_order",
            "tell_desk",
        ],
        (),
    )
    assert loaded.rules[0].origin.startswith("tactful ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\ndef oops(:\n", 2, "invalid syntax"),
        ("\n\nimport a_module_that_nobody_has\n", 3, "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
        ("from tactful import Runn\n", 1, "ImportError: cannot import name 'Runn'"),
        ("import json\njson.loads('[')\n", 2, "JSONDecodeError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("import asyncio\nraise asyncio.CancelledError\n", 2, "CancelledError"),
        (
            HEAD + '@rule(on="X", purpose="marketing.t", version=1, cooldwn="1d")\nasync def f(run, e): ...\n',
            3,
            "cooldwn",
        ),
        (HEAD + '@rule(on="X", purpose="marketing.t", version="1")\nasync def f(run, e): ...\n', 3, "a whole number"),
        (
            HEAD + '@rule(on="X", purpose="marketing.t", version=1, cooldown=3)\nasync def f(run, e): ...\n',
            3,
            '"3" is not a length of time',
        ),
        (
            HEAD + '@rule(on="X", purpose="marketing.t", version=1)\n' * 2 + "async def f(run, e): ...\n",
            3,
            "@rule stands above an `async def`, and alone: not above a Rule",
        ),
        (HEAD + '@rule(on=7, purpose="marketing.t", version=1)\nasync def f(run, e): ...\n', 3, "`on` takes classes"),
        (
            HEAD + '@rule(on="X", purpose="marketing.t", version=1, cooldown="soon")\nasync def f(run, e): ...\n',
            3,
            "soon",
        ),
        (HEAD + '@rule(on="X", purpose="marketing.t", version=0)\nasync def f(run, e): ...\n', 3, "counts from 1"),
        (HEAD + '@rule(on="X", purpose="adverts", version=1)\nasync def f(run, e): ...\n', 3, "`purpose` begins with"),
        (HEAD + '@rule(on="X", purpose="marketing.t", version=1)\ndef f(run, e): ...\n', 3, "`async def`"),
        (HEAD + '@rule(on="X", purpose="marketing.t", version=1, key=len)\nasync def f(run, e): ...\n', 3, "match="),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_the_rest_loads(
    folder: Path, text: str, line: int, words: str
) -> None:
    said = broken(folder, text)
    assert said.name == "bad"
    assert said.message.startswith(f"{folder / 'bad.py'}:{line}: ")
    assert words in said.message


def test_a_fault_of_a_rule_names_the_rule(folder: Path) -> None:
    text = HEAD + '@rule(on="X", purpose="marketing.t", version=0)\nasync def late_news(run, e): ...\n'
    assert "rule late_news: " in broken(folder, text).message


@pytest.mark.parametrize("text", ["x = '\0'\n", "\0"])
def test_a_file_that_is_no_text_is_named(folder: Path, text: str) -> None:
    assert broken(folder, text).message.startswith(str(folder / "bad.py"))


def test_a_file_in_another_encoding_is_named(folder: Path) -> None:
    (folder / "bad.py").write_bytes(b"name = '\xff'\n")
    (said,) = load(folder).broken
    assert said.message.startswith(str(folder / "bad.py"))


def test_a_file_without_a_rule_is_told_what_it_lacks(folder: Path) -> None:
    said = broken(folder, "async def f(run, first): ...\n")
    assert said.message == f"{folder / 'bad.py'}: no function is decorated with @rule, and no projection is made"


def test_what_makes_the_folder_a_package_is_no_broken_rule(folder: Path) -> None:
    (folder / "__init__.py").write_text("")
    assert load(folder).broken == ()


def test_of_two_rules_with_one_name_neither_loads_and_both_places_are_named(folder: Path) -> None:
    for file in ("one", "two"):
        (folder / f"{file}.py").write_text(GOOD.format(name="twin"))
    loaded = load(folder)
    assert [rule.name for rule in loaded.rules] == ["good"]
    assert loaded.broken == (
        Broken("twin", f"rule twin is defined more than once: {folder / 'one.py'}:3, {folder / 'two.py'}:3"),
    )


def test_a_rule_with_a_second_name_or_imported_from_elsewhere_is_still_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "good.py").write_text(GOOD.format(name="good") + "\nalso = good\n")
    (folder / "borrowing.py").write_text("from tactful_rules_folder_of_another import good\n")
    (folder / "outside").mkdir()
    (folder / "outside" / "tactful_rules_folder_of_another.py").write_text(GOOD.format(name="good"))
    (folder / "good.py").unlink()
    monkeypatch.syspath_prepend(str(folder / "outside"))
    loaded = load(folder, EntryPoint("another", "tactful_rules_folder_of_another", "tactful.rules"))
    assert ([rule.name for rule in loaded.rules], loaded.broken) == (["good"], ())
    assert loaded.rules[0].origin == "tactful_rules_folder_of_another"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "a_distribution_that_is_gone.rules",
            "entry point theirs = a_distribution_that_is_gone.rules: ModuleNotFoundError",
        ),
        ("json:no_such_thing", "entry point theirs = json:no_such_thing: AttributeError"),
        ("json:dumps", "the entry point theirs must name a module, not function"),
        ("json", "no function is decorated with @rule, and no projection is made"),
    ],
)
def test_a_broken_entry_point_is_named_and_the_rest_loads(folder: Path, value: str, words: str) -> None:
    loaded = load(folder, EntryPoint("theirs", value, "tactful.rules"))
    assert [rule.name for rule in loaded.rules] == ["good"]
    assert [said.name for said in loaded.broken] == ["theirs"]
    assert words in loaded.broken[0].message


def test_a_rule_that_uses_what_is_no_projection_is_broken_and_the_rest_stays(folder: Path) -> None:
    (folder / "bad.py").write_text(GOOD.format(name="bad").replace("version=1", "version=1, uses=('cart', 'tarot')"))
    loaded = load(folder).beside([OrdersProjection(), CartProjection()])
    assert [rule.name for rule in loaded.rules] == ["good"]
    (said,) = loaded.broken
    assert said == Broken(
        "bad", f"{folder / 'bad.py'}:3: rule bad uses 'tarot', which is no projection; there are: cart, orders"
    )


def test_a_projection_beside_a_rule_is_found_and_the_rule_may_use_it(folder: Path) -> None:
    (folder / "points.py").write_text(
        POINTS + GOOD.format(name="thanks").replace("version=1", "version=1, uses=('points',)")
    )
    loaded = load(folder).beside([CartProjection()])
    assert [projection.name for projection in loaded.projections] == ["cart", "points"]
    assert (sorted(rule.name for rule in loaded.rules), loaded.broken) == (["good", "thanks"], ())


def test_a_projection_of_a_distribution_is_found_by_its_entry_point_and_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "outside").mkdir()
    (folder / "outside" / "tactful_points_of_another.py").write_text(POINTS)
    (folder / "borrowing.py").write_text("from tactful_points_of_another import points\n" + GOOD.format(name="thanks"))
    monkeypatch.syspath_prepend(str(folder / "outside"))
    loaded = load(folder, EntryPoint("another", "tactful_points_of_another", PROJECTIONS))
    assert ([projection.name for projection in loaded.projections], loaded.broken) == (["points"], ())


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('name = "points"', 'name = "Bonus points"', "a projection's name is of small letters"),
        ("version = 1", 'version = "1"', "the version of projection points is a number from 1 on"),
        ("frozen=True", "frozen=False", "the state of projection points must be a frozen msgspec.Struct"),
        ("state = Points", "state = dict", "the state of projection points must be a frozen msgspec.Struct"),
        ("count: int = 0", "count: int", "every field of Points must have a default"),
        ("count: int = 0", "count: float = float('inf')", "Points() cannot be read again once it was stored"),
        ("count: int = 0", "count: tuple[int] | list[int] = ()", "Points() cannot be read again once it was stored"),
        ("events = (OrderCompleted,)", "events = ()", "the events of projection points are a tuple"),
        ("events = (OrderCompleted,)", "events = (int,)", "the events of projection points are a tuple"),
        ("events = (OrderCompleted,)", "events = (Event,)", "the events of projection points: Event is none of"),
    ],
)
def test_a_projection_that_cannot_be_folded_is_named_with_its_line(
    folder: Path, right: str, wrong: str, words: str
) -> None:
    said = broken(folder, POINTS.replace(right, wrong))
    assert said.message.startswith(f"{folder / 'bad.py'}:7: {words}")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("def merge(", "def merged(", ":7: projection points has no merge"),
        ("def migrate(", "def migrated(", ":7: projection points has no migrate"),
        ("version = 1", "number = 1", ":7: projection points has no version"),
        (
            "points = PointsProjection()",
            "",
            ":7: a projection is an instance of it: write `points = PointsProjection()`",
        ),
    ],
)
def test_what_was_to_be_a_projection_is_told_what_it_lacks(folder: Path, right: str, wrong: str, words: str) -> None:
    assert right in POINTS
    assert broken(folder, POINTS.replace(right, wrong)).message == f"{folder / 'bad.py'}{words}"


def test_a_projection_that_takes_the_name_of_one_that_ships_is_broken(folder: Path) -> None:
    (folder / "points.py").write_text(POINTS.replace('"points"', '"cart"'))
    shipped = CartProjection()
    loaded = load(folder).beside([shipped])
    assert loaded.projections == (shipped,)
    (said,) = loaded.broken
    assert said == Broken("cart", f"{folder / 'points.py'}:7: there is a projection cart already; give it another name")


def test_a_file_that_failed_leaves_no_half_module_behind(folder: Path) -> None:
    broken(folder, "raise ValueError('no')\n")
    assert "tactful_rules_folder.bad" not in sys.modules
