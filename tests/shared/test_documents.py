"""The reference pages leave nothing out: every reason, every gate in its order, every setting with its default."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pydantic import BaseModel

import tactful_dispatch
import tactful_ingest
import tactful_trigger
from tactful import Ladder, Message, Run
from tactful.decisions import Reason
from tactful.events.model import class_of, known_names
from tactful.records import MessageBody
from tactful.rules import OVERRIDABLE, Rule, rule
from tactful.settings import Settings
from tactful_dispatch.facts import Facts
from tactful_dispatch.gates import ORDER
from tactful_ingest.admission import RESERVED
from tactful_trigger import rules as shipped_rules
from tactful_trigger.projections import SHIPPED

REFERENCE: Final = Path(__file__).parents[2] / "docs" / "reference"


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, heads and rules left out."""
    lines = [line.strip("|").split(" | ") for line in (REFERENCE / page).read_text().splitlines() if line[:1] == "|"]
    cells = [[cell.strip(" |") for cell in line] for line in lines]
    return [row for row in cells[1:] if not row[0].startswith("---")]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_reason_of_a_decision_is_explained_and_no_other() -> None:
    explained = {reason for row in rows("decisions.md") for reason in quoted(row[1])}
    assert explained == {reason.value for reason in Reason}


def test_gates_are_explained_in_the_order_in_which_they_are_asked() -> None:
    said = dict.fromkeys(row[0] for row in rows("decisions.md") if row[0] != "\N{EN DASH}")
    assert list(said) == [_name_of(number) for number in range(len(ORDER))]


def _name_of(number: int) -> str:
    """What a gate calls itself in its record."""
    message = MessageBody(
        message_id="m",
        run_id="r",
        customer="u",
        subject="u",
        rule="r",
        rule_version=1,
        channel="email",
        template="t",
        purpose="marketing.t",
        priority=0,
        requested_at=0,
        expires_at=1,
    )
    return ORDER[number](
        message, Facts(now=0, read_through=0, settings=Settings(), zones=(ZoneInfo("UTC"),), zone_from="shop")
    ).gate


def settings(section: BaseModel, path: str = "") -> Iterator[tuple[str, str, object]]:
    """(section, name, default) of everything that can stand in the file."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from settings(value, f"{path}.{name}".strip("."))
        elif path:
            yield path, name, value


@pytest.mark.parametrize(("section", "name", "default"), [*settings(Settings())], ids=str)
def test_every_setting_stands_on_its_page_with_its_default(section: str, name: str, default: object) -> None:
    """A setting is a cell like `[caps] email_gap`, `sms_gap`, and its defaults in the same order in the next cell."""
    for named, defaults, *_ in rows("settings.md"):
        first, *others = quoted(named)
        names = [first.partition("] ")[2], *others]
        if first.startswith(f"[{section}] ") and name in names:
            values = defaults.split(", ")
            shown = values[names.index(name)] if len(values) == len(names) else defaults
            assert shown in (json.dumps(default, ensure_ascii=False), "sample values")
            return
    pytest.fail(f"docs/reference/settings.md: add a row for `[{section}] {name}`, default {json.dumps(default)}")


def asked(file: str) -> dict[str, str]:
    """Every parameter that a rule asks for, with its default as TOML has it: the first, where it has several."""
    calls = [node for node in ast.walk(ast.parse(Path(file).read_text())) if isinstance(node, ast.Call)]
    found: dict[str, str] = {}
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "param":
            name, default = map(ast.literal_eval, call.args)
            found.setdefault(name, json.dumps(default))
    return found


@pytest.mark.parametrize(
    "shipped", [getattr(shipped_rules, name) for name in shipped_rules.__all__], ids=lambda shipped: shipped.name
)
def test_every_parameter_of_a_shipped_rule_stands_on_its_page_with_its_default(shipped: Rule) -> None:
    """Or, of a rule without a page, among the settings: `[rules.NAME] parameter`."""
    page = REFERENCE / f"{shipped.name}.md"
    told = page.read_text() if page.exists() else ""
    known = {f"`{name} = {default}`" for name, default in asked(shipped.file).items()}
    if not told:
        told = "".join(f"`{quoted(row[0])[0]} = {row[1]}`" for row in rows("settings.md"))
        known = {each.replace("`", f"`[rules.{shipped.name}] ", 1) for each in known}
    assert known
    assert {each for each in known if each not in told} == set()


def test_the_readme_shows_the_rules_that_ship_in_the_versions_that_they_have() -> None:
    rules = sorted(f"{name} v{getattr(shipped_rules, name).terms.version}" for name in shipped_rules.__all__)
    assert ", ".join(rules) in (REFERENCE.parents[1] / "README.md").read_text()


NO_PLACES: Final = {"dispatch", "events", "tactful", "tactful dev", "Message Decided"}


@pytest.mark.parametrize("service", [tactful_ingest, tactful_trigger, tactful_dispatch], ids=lambda it: it.__name__)
def test_what_a_service_says_of_its_parts_is_where_it_says(service: ModuleType) -> None:
    """A line of its docstring names modules and folders; one that is further in, what is in the folder above it."""
    here = Path(service.__path__[0])
    folder = here
    for inset, names in re.findall(r"^ {4}( *)([a-z_]+(?:, [a-z_]+)*)", service.__doc__ or "", re.MULTILINE):
        places = [(folder if inset else here) / name for name in names.split(", ")]
        assert [place for place in places if not place.is_dir() and not place.with_suffix(".py").exists()] == []
        if not inset:
            folder = places[0] if places[0].is_dir() else here


def test_the_path_of_an_event_leads_through_files_and_folders_that_there_are() -> None:
    root, page = REFERENCE.parents[1], (REFERENCE / "path-of-an-event.md").read_text()
    for section in page.split("\n## ")[1:]:
        head, _, told = section.partition("\n")
        base = root / quoted(head)[0]
        places = {place for place in quoted(told) if place not in NO_PLACES}
        assert places
        assert {place for place in places if not ((base / place).exists() or (root / place).exists())} == set()


def test_every_noun_stands_where_its_row_says() -> None:
    places = {place for row in rows("nouns.md") for place in quoted(row[-1])}
    assert {place for place in places if not (REFERENCE.parents[1] / place).exists()} == set()
    assert len(places) > 10


POSTED: Final = sorted(set(known_names()) - RESERVED)
CALLS: Final = {"Identify", "Alias", "Group", "Page", "Screen"}  # posted by a call of that name
SPELLED: Final = {"previous_id": "previousId", "title_text": "title"}


def fields_of(name: str) -> tuple[set[str], set[str]]:
    """All that an event may say, and what it has to."""
    fields = [field for field in msgspec.structs.fields(class_of(name)) if field.name != "meta"]
    return ({SPELLED.get(field.name, field.name) for field in fields}, {f.name for f in fields if f.required})


@pytest.mark.parametrize("name", POSTED)
def test_every_event_that_a_shop_may_post_stands_on_its_page_with_its_fields(name: str) -> None:
    shown = name.lower() if name in CALLS else name
    (row,) = (row for row in rows("events.md") if shown in quoted(row[0]))
    told, needed = set(quoted(row[1])), set(re.findall(r"`(\w+)`\\\*", row[1]))
    told |= fields_of("Product Viewed")[0] if "those of a product" in row[1] else set()
    told |= fields_of("Order Completed")[0] if "those of an order" in row[1] else set()
    wanted, required = fields_of(name)
    of_ours = {"Consent Changed": {"entry"}, "Identify": {"traits", "unset", "implied"}}
    assert wanted - of_ours.get(name, set()) <= told, f"docs/reference/events.md, {shown}"
    assert {SPELLED.get(field, field) for field in required} == needed or len(quoted(row[0])) > 1


def test_the_page_names_what_nobody_else_can_post_and_invents_no_event() -> None:
    page = (REFERENCE / "events.md").read_text()
    assert set(quoted(page.partition("## What Tactful says itself")[2])) >= RESERVED
    named = {name for row in rows("events.md") for name in quoted(row[0]) if name[:1].isupper()}
    assert named <= set(known_names())


def test_activity_is_what_the_engine_takes_for_an_act() -> None:
    table = (REFERENCE / "events.md").read_text().partition("| activity |")[2].partition("Known too")[0]
    told = {name for line in table.splitlines() for name in quoted(line.rpartition(" | ")[0])}
    first = {"Product Added", "Product Removed", "Wishlist Product Added to Cart", "Cart Updated", "Cart Shared"}
    first |= {"Checkout Started", "Order Completed", "Product Reviewed"}  # these stand in the table before
    assert told | first == {name.lower() if name in CALLS else name for name in known_names() if class_of(name).act}


def test_every_argument_of_a_rule_stands_on_its_page_with_its_default_and_whether_settings_override_it() -> None:
    told = {quoted(row[0])[0]: row for row in rows("rules.md") if len(row) == 3}
    arguments = inspect.signature(rule).parameters
    assert list(told) == list(arguments)
    for name, argument in arguments.items():
        default = told[name][1].strip("`")
        assert (default == "needed") == (argument.default is inspect.Parameter.empty)
        if isinstance(argument.default, str | float | int):
            assert json.loads(default) == argument.default
    assert {name for name, row in told.items() if row[0].endswith("\\*")} == set(OVERRIDABLE)


@pytest.mark.parametrize("projection", SHIPPED, ids=lambda projection: projection.name)
def test_what_a_rule_may_ask_about_a_customer_is_there(projection: Any) -> None:
    (told,) = (row[1] for row in rows("rules.md") if len(row) == 2 and quoted(row[0]) == [projection.name])
    names = {name.partition("(")[0] for name in quoted(re.sub(r"\(each.*?\)|\(`last.*?\)|: `new.*", "", told))}
    assert names
    assert {name for name in names if not hasattr(projection.state, name)} == set()


def test_all_that_a_rule_may_say_stands_in_the_guide() -> None:
    guide = (REFERENCE.parent / "how-to" / "first-rule.md").read_text()
    said = {f"run.{name}" for name in vars(Run) if name[0] != "_"} | {
        f".{name}" for name in vars(Message) if name[0] != "_"
    }
    for call in (Run.send, Ladder.__init__, Message.engaged, Run.sleep_until_local, Run.param):
        said |= {
            f"{name}=" for name, each in inspect.signature(call).parameters.items() if each.kind is each.KEYWORD_ONLY
        }
    assert len(said) > 25
    assert {each for each in said if not re.search(rf"{re.escape(each)}(?:(?<==)|\b)", guide)} == set()
