"""The settings file of a data folder, where a command changes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from enginebench import EngineBench, drive
from msgspec import Raw

from tactful.clock import ManualClock
from tactful.errors import LogUnavailable, SettingsError
from tactful.keys import Key
from tactful.log import Position
from tactful.log.memory import MemoryLog
from tactful.plugins import load_plugins
from tactful.records import DISPATCH, EVENTS, BroadcastBody, BroadcastRecord, decode_any, encode
from tactful.rules import Rule
from tactful.settings import parse, settings_from_log
from tactful.telemetry import SILENT
from tactful_ingest.door import visit
from tactful_trigger.rules import abandoned_cart, churn_risk, missed_order
from tactful_workbench.cluster.ground import Ground, Site
from tactful_workbench.cluster.ingest import door
from tactful_workbench.embedded.product import Plan, opened
from tactful_workbench.embedded.serving import look_at_settings
from tactful_workbench.settings.file import DEV, SHOP, SettingsFile, known_settings
from tactful_workbench.settings.unheard import unheard


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    made = SettingsFile(tmp_path, SHOP)
    made.read()
    return made


def test_a_file_that_is_not_ours_to_change_stays_and_the_answer_says_where_to_change_it(file: SettingsFile) -> None:
    file.path.with_suffix(".new").mkdir()  # nothing can be written there
    with pytest.raises(SettingsError, match=r"cannot be changed from here .*change it where it comes from"):
        file.write(SHOP.replace("My shop", "Our shop"))
    assert file.read().shop.name == "My shop"


async def test_a_link_that_leads_to_itself_is_named_once_and_read_when_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, file = ManualClock(0), SettingsFile(tmp_path, SHOP)
    product: Any = SimpleNamespace(
        settings=file, log=MemoryLog(1, clock), clock=clock, loaded=SimpleNamespace(rules=())
    )
    file.path.symlink_to(file.path)
    seen = await look_at_settings(product, 0)
    assert await look_at_settings(product, seen) == seen
    assert caplog.messages == [
        f"not taken: {file.path} is not there and cannot be made (Too many levels of symbolic links); put it there"
    ]
    file.path.unlink()
    file.path.write_text(SHOP.replace("My shop", "Our shop"))
    await look_at_settings(product, seen)
    assert file.latest.shop.name == "Our shop"


def test_in_development_every_rule_writes_to_everybody_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    lines = '[rules.churn_risk]\nmode = "shadow"\n[rules.missed_order]\npriority = 7\n'
    (tmp_path / "settings.toml").write_text(f"{DEV}\n{lines}")
    said = SettingsFile(tmp_path, DEV).as_saved([abandoned_cart, churn_risk, missed_order])
    modes = {name: (rule.mode, rule.parameters["holdout"]) for name, rule in said.rules.items()}
    assert modes == {"abandoned_cart": ("live", 0.0), "churn_risk": ("shadow", 0.0), "missed_order": ("live", 0.0)}
    assert said.rule("missed_order").parameters["priority"] == 7


def test_where_the_file_is_a_link_what_it_names_is_changed(tmp_path: Path) -> None:
    kept = tmp_path / "kept.toml"
    kept.write_text(SHOP)
    (tmp_path / "settings.toml").symlink_to(kept)
    SettingsFile(tmp_path, SHOP).write(SHOP.replace("My shop", "Our shop"))
    assert (tmp_path / "settings.toml").is_symlink()
    assert "Our shop" in kept.read_text()


def test_who_may_read_the_file_stays_as_it_was(file: SettingsFile) -> None:
    """Who is on the allow-list stands in it."""
    for mode in (0o600, 0o640, 0o664):
        file.path.chmod(mode)
        file.write(SHOP.replace("My shop", "Our shop"))
        assert file.path.stat().st_mode & 0o777 == mode


def test_what_only_some_have_been_told_is_known_to_nobody() -> None:
    bench = EngineBench(partitions=2)
    assert drive(known_settings(bench.store, 2)) == ""
    for text, partitions, known in (
        ("{}", (0, 1), "{}"),
        ('{"shop":{}}', (1,), ""),
        ('{"shop":{}}', (0,), '{"shop":{}}'),
    ):
        news = BroadcastRecord(
            id="s", key="all", at=bench.now, body=BroadcastBody("Settings Changed", Raw(text.encode()))
        )
        drive(bench.log.append(EVENTS, [(partition, encode(news)) for partition in partitions]))
        bench.advance("1s")
        assert drive(known_settings(bench.store, 2)) == known


def test_a_text_that_is_no_settings_file_replaces_nothing(file: SettingsFile) -> None:
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        file.write("[shop]\nnmae = 1\n")
    assert file.path.read_text() == SHOP


WRONG = '[rules.abandoned_cart]\nmode = "live"\n{line}\n[rules.unknown]\ncooldown = "whatever"\n'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cooldown = 5", r'settings\.toml:3: \[rules\.abandoned_cart\] cooldown: "5" is not a length of time'),
        ('cooldown = ["1d"]', r"settings\.toml:3: \[rules\.abandoned_cart\] cooldown: .* is not a length of time"),
        ('cooldown = "soon"', r'settings\.toml:3: \[rules\.abandoned_cart\] cooldown: "soon" is not a length of time'),
        ("holdout = 7", r"settings\.toml:3: \[rules\.abandoned_cart\] holdout = 7 does not fit; it is a share"),
        (
            'repeat = "often"',
            r"settings\.toml:3: \[rules\.abandoned_cart\] repeat = 'often' does not fit; it is one of ignore",
        ),
        ("delay = 2", r'settings\.toml:3: \[rules\.abandoned_cart\] delay = 2 must be like "1h"\. Nothing was changed'),
        ('delay = "soon"', r'settings\.toml:3: \[rules\.abandoned_cart\] delay = "soon" must be like "1h"'),
        ('delay = ""', r'settings\.toml:3: \[rules\.abandoned_cart\] delay = "" must be like "1h"'),
        ("push = 0", r"settings\.toml:3: \[rules\.abandoned_cart\] push = 0 must be like true"),
        ("min_value = 39.9", r"settings\.toml:3: \[rules\.abandoned_cart\] min_value = 39\.9 must be like 0"),
        (
            'second_after = "soon"',
            r'settings\.toml:3: \[rules\.abandoned_cart\] second_after = "soon" must be like "48h"',
        ),
        ("second_after = 48", r'settings\.toml:3: \[rules\.abandoned_cart\] second_after = 48 must be like "48h"'),
        (
            'variants = "promise"',
            r'settings\.toml:3: \[rules\.abandoned_cart\] variants = "promise" must be like \["plain"\]',
        ),
        ("variants = []", r'settings\.toml:3: \[rules\.abandoned_cart\] variants = \[\] must be like \["plain"\]'),
        (
            "variants = [1, 2]",
            r'settings\.toml:3: \[rules\.abandoned_cart\] variants = \[1, 2\] must be like \["plain"\]',
        ),
        (
            'sensitive = "Intimate"',
            r'settings\.toml:3: \[rules\.abandoned_cart\] sensitive = "Intimate" must be like \[\]',
        ),
    ],
)
async def test_what_a_rule_cannot_be_put_under_is_refused_before_anybody_hears_of_it(
    tmp_path: Path, line: str, says: str
) -> None:
    clock = ManualClock(0)
    log = MemoryLog(1, clock)
    file = SettingsFile(tmp_path, SHOP, lambda: [abandoned_cart])
    assert await file.tell(log, clock, "")
    told, before = file.latest, await log.end(EVENTS, 0)
    with pytest.raises(SettingsError, match=says):
        file.write(WRONG.format(line=line))
    assert file.path.read_text() == SHOP
    file.path.write_text(WRONG.format(line=line))
    with pytest.raises(SettingsError, match=says):
        await file.tell(log, clock, "")
    assert (file.latest, await log.end(EVENTS, 0)) == (told, before)


@pytest.mark.parametrize(
    "line",
    [
        'visit_rest = "a week"',
        'complaint_rest = "30"',
        "refund_rest = 30",
        'series_apart = ""',
        'question_apart = "soon"',
        'at_least_days = "45d"',
    ],
)
def test_no_length_by_which_a_rule_would_fail_is_taken(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match=rf"\[rules\.churn_risk\] {line.split()[0]} = .* must be like"):
        SettingsFile(tmp_path, SHOP, lambda: [churn_risk]).write(f"[rules.churn_risk]\n{line}\n")


@pytest.mark.parametrize("line", ['sensitive = ["Intimate"]', 'variants = ["plain", "promise"]'])
def test_a_list_may_hold_more_than_its_default_does(tmp_path: Path, line: str) -> None:
    SettingsFile(tmp_path, "", lambda: [abandoned_cart]).write(f"[rules.abandoned_cart]\n{line}\n")


@pytest.mark.parametrize("line", ['second_after = ""', 'second_after = "2d"'])
def test_a_length_that_is_off_by_default_may_be_off_or_a_length(tmp_path: Path, line: str) -> None:
    SettingsFile(tmp_path, "", lambda: [abandoned_cart]).write(f"[rules.abandoned_cart]\n{line}\n")


async def test_amounts_that_name_no_currency_are_in_the_one_that_was_saved_last(tmp_path: Path) -> None:
    servers: Any = SimpleNamespace(partitions=1)
    async with opened(Plan(tmp_path)) as product:
        elsewhere = Ground(Site("kafka://k", "postgresql://p", tmp_path), servers, [servers], SILENT)
        vars(elsewhere)["keys"] = product.keys
        doors, key = (product.door, door(elsewhere)), Key("shop", "server")
        assert [visit(each, key).currency for each in doors] == ["EUR", "EUR"]
        product.settings.path.write_text(SHOP.replace('"EUR"', '"JPY"'))
        await look_at_settings(product, 0)
        assert [visit(each, key).currency for each in doors] == ["JPY", "JPY"]


def test_pages_of_a_service_follow_the_file_that_a_command_elsewhere_has_changed(tmp_path: Path) -> None:
    servers: Any = SimpleNamespace(partitions=1)
    here = Ground(Site("kafka://k", "postgresql://p", tmp_path), servers, [servers], SILENT)
    assert here.settings_now().rule("abandoned_cart").mode == "shadow"
    file = SettingsFile(tmp_path, SHOP)
    file.write(
        SHOP.replace('mode = "shadow"', 'mode = "live"').replace("http://127.0.0.1:8080", "https://hello.tea.example")
    )
    assert here.settings_now().rule("abandoned_cart").mode == "live"
    assert here.public_url() == "https://hello.tea.example"
    file.path.write_text("[shop]\nname = Tea\n")
    assert here.shop().name == "My shop", "a broken file changes nothing"
    assert here.loaded.rules
    file.path.write_text('[shop]\nname = "Tea"\n[rules.abandoned_cart]\ncooldown = "soon"\n')
    assert here.shop().name == "My shop", "nor does one that a rule cannot be put under"


class Away(MemoryLog):
    """A log that takes nothing."""

    async def append(self, topic: str, entries: Sequence[tuple[int, bytes]]) -> list[Position]:
        raise LogUnavailable("the log is away")


async def saved_while_the_log_is_away(file: SettingsFile) -> tuple[MemoryLog, ManualClock]:
    """The shop has another name; the log that is back, and its clock."""
    clock = ManualClock(0)
    log = MemoryLog(1, clock)
    await file.tell(log, clock, "")
    file.write(SHOP.replace('name = "My shop"', 'name = "Our shop"'))
    with pytest.raises(LogUnavailable):
        await file.tell(Away(1, clock), clock, "")
    return log, clock


async def test_what_could_not_be_told_is_told_when_it_is_saved_or_said_again(file: SettingsFile) -> None:
    log, clock = await saved_while_the_log_is_away(file)
    assert file.latest.shop.name == "My shop", "as everybody knows it"
    assert await file.tell(log, clock, "")
    assert (file.latest.shop.name, await log.end(EVENTS, 0)) == ("Our shop", 2)


async def test_what_only_some_may_have_heard_is_taken_back_where_the_file_says_again_what_it_said_before(
    file: SettingsFile,
) -> None:
    log, clock = await saved_while_the_log_is_away(file)
    file.write(SHOP)
    assert await file.tell(log, clock, "")


async def test_what_is_saved_is_told_once_to_every_partition_of_both_services(file: SettingsFile) -> None:
    clock = ManualClock(0)
    log = MemoryLog(2, clock)
    assert [await file.tell(log, clock, "") for _ in range(2)] == [True, False]
    assert not await SettingsFile(file.path.parent, SHOP).tell(log, clock, file.latest.model_dump_json())
    for topic in (EVENTS, DISPATCH):
        for partition in range(2):
            [stored] = await log.read(topic, partition, 0, 10)
            news = decode_any(stored.value)
            assert isinstance(news, BroadcastRecord)
            assert (news.body.name, settings_from_log(bytes(news.body.data))) == ("Settings Changed", file.latest)


def test_a_file_may_begin_with_the_mark_that_some_editors_put_there(file: SettingsFile) -> None:
    file.path.write_text(SHOP.replace("My shop", "Café"), encoding="utf-8-sig")
    assert file.read().shop.name == "Café"


def test_a_file_in_another_encoding_is_refused_with_its_line(file: SettingsFile) -> None:
    file.path.write_text(SHOP.replace("My shop", "Café"), encoding="latin-1")
    with pytest.raises(SettingsError, match=r"settings\.toml:3: this is not UTF-8; save the file in that encoding"):
        file.read()


def test_a_folder_in_the_place_of_the_file_is_refused_by_name(file: SettingsFile) -> None:
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(SettingsError, match=r"settings\.toml cannot be read \(Is a directory\)"):
        file.read()


OWN = """\
from tactful import rule

@rule(on="X", purpose="marketing.own", version=1)
async def own(run, event):
    run.note(run.param("greeting", None))
    await run.sleep(run.param("wait", "1d" if event else "2d"))
    await run.sleep(run.param("pause", "1d"))
    run.note(run.param("factor", 1.5))

@rule(on="Y", purpose="marketing.own", version=1)
async def other(run, event):
    run.note(run.param("pause", 3))
"""


@pytest.fixture
def rules(tmp_path: Path) -> Sequence[Rule]:
    """Two of the shop's own, in one file."""
    (tmp_path / "own.py").write_text(OWN)
    return load_plugins(tmp_path, ()).rules


@pytest.fixture
def own(tmp_path: Path, rules: Sequence[Rule]) -> SettingsFile:
    return SettingsFile(tmp_path, "", lambda: rules)


@pytest.mark.parametrize(
    "line",
    ['greeting = "hello"', "greeting = 5", "wait = 12", 'pause = "2d"', "pause = 5", "factor = 2", "unknown = 1"],
)
def test_what_a_rule_may_be_able_to_use_is_taken(own: SettingsFile, line: str) -> None:
    own.write(f"[rules.own]\n{line}\n")


def test_a_value_like_no_default_of_its_name_is_refused_with_all_of_them(own: SettingsFile) -> None:
    with pytest.raises(SettingsError, match=r'\[rules\.own\] pause = "soon" must be like ("1d" or 3|3 or "1d")'):
        own.write('[rules.own]\npause = "soon"\n')


@pytest.mark.parametrize("now", ["async def", None])
def test_nothing_is_said_of_a_rule_whose_file_is_gone_or_was_broken_since_it_was_loaded(
    own: SettingsFile, rules: Sequence[Rule], now: str | None
) -> None:
    file = Path(rules[0].file)
    if now is None:
        file.unlink()
    else:
        file.write_text(now)
    own.write('[rules.own]\npause = "soon"\n')
    assert unheard(own.read(), rules) == []


def test_what_a_helper_of_the_rules_package_asks_for_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "shop_with_helpers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "delays.py").write_text("async def pause(run):\n    await run.sleep(run.param('delay', '1h'))\n")
    (package / "rules.py").write_text(OWN + "from shop_with_helpers.delays import pause\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint("shop", "shop_with_helpers.rules", "tactful.rules")]
    rules = load_plugins(None, points).rules
    own = SettingsFile(tmp_path, "", lambda: rules)
    own.write('[rules.own]\ndelay = "2h"\n')
    assert unheard(own.read(), rules) == []
    with pytest.raises(SettingsError, match='delay = "soon" must be like "1h"'):
        own.write('[rules.own]\ndelay = "soon"\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[sending]\nallow = ["myshop.example"]',
            r'\[sending\] allow: "myshop\.example" is no address, and nobody fits it; write',
        ),
        ('[sending]\nallow = ["@myshop.example"]', "is no address, and nobody fits it"),
        ('[sending]\nallow = ["Anna <anna@myshop.example>"]', "is no address, and nobody fits it"),
        ('[sending]\nallow = ["0034600111222"]', "is no address, and nobody fits it"),
        ('[sources.pso]\nlag = "26h"', r"\[sources\.pso\] is for a source that no rule has in `after`"),
        (
            '[shop]\ncart_url = "https://myshop.example/cart?id={cart}"',
            r"\{cart\} stays as it is; what is filled in are",
        ),
        ('[sending]\nallow = ["*@myshop.example", "anna@myshop.example", "+34600111222"]', ""),
        ('[rules.abandoned_cart]\nafter = ["pos"]\n[sources.pos]\nlag = "26h"', ""),
        ('[shop]\ncart_url = "https://myshop.example/cart?id={cart_id}&items={items}"', ""),
        ('[shop]\ncart_url = "https://myshop.example/cart"', ""),
    ],
)
def test_what_the_settings_say_in_vain_of_people_and_sources_is_told(text: str, said: str) -> None:
    found = unheard(parse(text, "settings.toml"), [abandoned_cart])
    assert len(found) == bool(said)
    assert re.search(said, "".join(found))


def test_sources_that_no_rule_waits_for_are_told_in_the_same_order_each_time() -> None:
    names = [f"source{number}" for number in range(8)]
    found = unheard(parse("".join(f'[sources.{name}]\nlag = "26h"\n' for name in names), "settings.toml"), [])
    assert [text.partition("]")[0] for text in found] == [f"[sources.{name}" for name in names]


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ('[hours]\nmarketing = "9-21"', 'hours.marketing: "9-21" does not fit; it is hours like "09:00-21:00"'),
        ("[hours]\nmarketing = 9", 'hours.marketing: 9 does not fit; it is hours like "09:00-21:00"'),
        ("[rules.abandoned_cart]\nrollout = -1", "rollout: -1 does not fit; it is a share from 0 to 1"),
        ("[rules.abandoned_cart]\nrollout = 5", "rollout: 5 does not fit; it is a share from 0 to 1: 0.05 is 5 %"),
        ('[rules.abandoned_cart]\nrollout = "5%"', 'rollout: "5%" does not fit; it is a share from 0 to 1'),
        ('[sending]\nallow = "*@myshop.example"', 'it is a list like ["*@myshop.example"]'),
        ('[rules]\nabandoned_cart = "live"', 'write [rules.abandoned_cart], and mode = "live" below it'),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_with_one_of_the_right_form(text: str, mend: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text, "settings.toml")
    assert str(refused.value).startswith("settings.toml:2: ")
    assert mend in str(refused.value)
