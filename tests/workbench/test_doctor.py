"""`tactful doctor`: each thing that keeps a shop from being heard is named, with what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from dispatchbench import DispatchBench
from enginebench import event_record
from msgspec import Raw

from tactful.clock import DAY, MINUTE, ManualClock
from tactful.errors import PoisonFlood, RetentionOverrun
from tactful.events import Page, ProductAdded
from tactful.journal import Kept
from tactful.localtime import local_time
from tactful.log import Log, Stored
from tactful.log.partitioning import partition_of
from tactful.log.quarantine import FLOOD
from tactful.plugins import Broken
from tactful.records import DISPATCH, EVENTS, QUARANTINE, QuarantineBody, QuarantineRecord, encode
from tactful_console.timeline import timeline
from tactful_dispatch.channels import Retry
from tactful_dispatch.worker import DispatchWorker
from tactful_trigger.state.cursor import Cursor
from tactful_trigger.state.row import Row, Run
from tactful_trigger.worker import TriggerWorker
from tactful_workbench.doctor.findings import NOBODYS, Finding, examine
from tactful_workbench.doctor.latefeeds import feeds_behind, late_feeds
from tactful_workbench.doctor.outside import Outside
from tactful_workbench.embedded.banner import shop_banner
from tactful_workbench.embedded.product import Plan, Product, opened
from tactful_workbench.embedded.web import web
from tactful_workbench.operating.story import Story
from tactful_workbench.settings.file import SHOP

GOOD = {"shop.example": ["v=spf1 -all"], "_dmarc.shop.example": ["v=DMARC1; p=none"]}
FILLED = """\
[shop]
sender = "Tea house <tea@shop.example>"
reply_to = "tea@shop.example"
postal_address = "Tea house, 3 Quay, Porto"
url = "https://tea.example"
public_url = "https://hello.tea.example"
locale = "{locale}"

[rules.tell_desk]
mode = "live"

[sending]
mode = "{mode}"
"""


LATE = """
[rules.missed_order]
after = ["till", "pos"]

[sources.pos]
lag = "26h"
"""


class World:
    """Implements `tactful_workbench.doctor.findings.Web`."""

    def __init__(self, names: Mapping[str, Sequence[str]] | None = None, pages: bool | None = True) -> None:
        self._names, self._pages = names, pages

    async def texts(self, name: str) -> Sequence[str]:
        if self._names is None:
            raise OSError("no answer in time")
        return self._names.get(name, ())

    async def is_ours(self, url: str) -> bool:
        if self._pages is None:
            raise OSError("connection refused")
        return self._pages


async def look(product: Product, world: World | None = None) -> list[Finding]:
    return await examine(product, world or World(GOOD))


def with_other(product: Product, **parts: Any) -> Product:
    """The same product with other parts in place of its own."""
    other = copy(product)
    vars(other).update(parts)
    return other


def told(findings: list[Finding], level: str) -> str:
    return "\n".join(finding.text for finding in findings if finding.level == level)


async def test_a_shop_where_all_is_well_has_nothing_that_fails(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(FILLED.format(locale="en", mode="allowlist"))
    async with opened(Plan(tmp_path)) as product:
        found = await look(product)
        assert (told(found, "fail"), told(found, "warn")) == ("", "")
        assert "rules 7 loaded, 0 broken" in told(found, "ok")
        assert "mail from shop.example: SPF ok, DMARC ok" in told(found, "ok")
        assert "sending: allow-list (empty)" in told(found, "info")
        assert "[shop] cart_url is not set" in told(found, "info")
        assert "abandoned_cart shadow" in told(found, "info")


async def test_a_shop_whose_letters_may_lead_anywhere_is_told_until_it_names_its_hosts(tmp_path: Path) -> None:
    (tmp_path / "brand.yaml").write_text("domains: [shop.example]\n")
    async with opened(Plan(tmp_path)) as product:
        assert "brand.yaml names no domains" in told(await look(product), "info")
    async with opened(Plan(tmp_path, templates=tmp_path)) as product:
        assert "brand.yaml" not in told(await look(product), "info")


async def test_events_that_are_posted_under_a_name_that_is_almost_ours_are_told(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        assert "of the latest events" not in told(await look(product), "warn")
        for number, name in enumerate(("Order Complete", "Order Complete", "Seat Taken", "Order Completed")):
            record = event_record("u1", name, product.clock.now(), f"e{number}")
            await product.log.append(EVENTS, [(number % 4, encode(record)), (number % 4, b"no record")])
        assert (
            '2 of the latest events are called "Order Complete", which is one of the shop\'s own; what rules wait for is "Order Completed"'
            in told(await look(product), "warn")
        )


async def test_a_partition_that_does_not_move_is_named(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        record = encode(event_record("u1", Page(name="a"), product.clock.now(), "a"))
        await product.log.append(EVENTS, [(2, record)])
        assert "does not move" not in told(await look(product), "fail")
        later = with_other(product, clock=ManualClock(product.clock.now() + 6 * MINUTE))
        assert "trigger does not move in partition 2: a record waits since 6m" in told(await look(later), "fail")


@pytest.mark.parametrize(("topic", "name"), [(EVENTS, "trigger"), (DISPATCH, "dispatch")])
async def test_a_flood_of_poison_is_named_before_anything_has_waited_for_long(
    topic: str, name: str, tmp_path: Path
) -> None:
    async with opened(Plan(tmp_path)) as product:
        worker: TriggerWorker | DispatchWorker = product.trigger_worker if topic == EVENTS else product.dispatch_worker
        await product.log.append(topic, [(2, b"{")] * FLOOD)
        await worker.settle()
        assert "stands still" not in told(await look(product), "fail")
        await product.log.append(topic, [(2, b"{")])
        with pytest.raises(PoisonFlood):
            await worker.run_once(2)
        assert f"{name} stands still in partition 2: 20 records in a row cannot be applied" in told(
            await look(product), "fail"
        )


async def test_a_partition_whose_records_are_of_a_time_to_come_is_named_with_when_it_goes_on(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        stamped = (await product.log.read(EVENTS, 2, 0, 1))[0].appended
        slightly = with_other(product, clock=ManualClock(stamped - MINUTE))
        assert "stands still" not in told(await look(slightly), "fail")
        ahead = with_other(product, clock=ManualClock(stamped - 365 * DAY))
        until = f"{local_time(stamped - 2 * MINUTE, product.shop().zone):%Y-%m-%d %H:%M %z}"
        why = "its log was stamped by a clock that was ahead by 365d"
        assert f"trigger stands still in partition 2 until {until}: {why}" in told(await look(ahead), "fail")


class Losing:
    """A log that has let go of what trigger had not read in one partition, as Kafka does."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        if (topic, partition) == (EVENTS, 2):
            raise RetentionOverrun("events/2: the log no longer has what comes next")
        return await self._log.read(topic, partition, offset, limit)


class MadeAnew(Losing):
    """A log that ends before trigger reads on in one partition, as after a topic was deleted and made again."""

    async def end(self, topic: str, partition: int) -> int:
        return 0 if (topic, partition) == (EVENTS, 2) else await self._log.end(topic, partition)


async def test_a_log_that_ends_before_it_is_read_on_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        await product.trigger_worker.settle()
        found = await look(with_other(product, log=MadeAnew(product.log)))
        anew = "trigger stands still in partition 2: the log ends at 0 and is read on at 1: it was made anew or cut off"
        assert f"{anew}. `tactful db accept-loss events/2`" in told(found, "fail")
        assert "trigger has 0 records to read" in told(found, "ok")


class Restamped(Losing):
    """A log that is not the one that trigger has read in one partition, and as long."""

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        found = await self._log.read(topic, partition, offset, limit)
        anew = (topic, partition) == (EVENTS, 2)
        return [stored._replace(appended=stored.appended + 1) if anew else stored for stored in found]


async def test_a_log_that_is_not_the_one_that_was_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        await product.trigger_worker.settle()
        found = await look(with_other(product, log=Restamped(product.log)))
        anew = "trigger stands still in partition 2: events/2: this is not the log that was read"
        assert anew in told(found, "fail")
        assert "`tactful db accept-loss`" in told(found, "fail")
        assert "stands still" not in told(await look(product), "fail")


async def test_a_partition_that_cannot_be_read_on_is_named_beside_how_the_others_do(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        record = encode(event_record("u1", Page(name="a"), product.clock.now(), "a"))
        await product.log.append(EVENTS, [(2, record)])
        found = await look(with_other(product, log=Losing(product.log)))
        why = "events/2: the log no longer has what comes next"
        assert f"trigger stands still in partition 2: {why}" in told(found, "fail")
        assert "trigger has" in told(found, "ok")
        assert "dispatch has" in told(found, "ok")


async def test_a_feed_that_has_stopped_coming_is_named_while_somebody_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(FILLED.format(locale="en", mode="live") + LATE)
    async with opened(Plan(tmp_path)) as product:
        now = product.clock.now()
        for waiting, through, said in (
            ({"till": 1}, now - 2 * DAY, r"a run that waits for till: 1; it is complete until 20.* \+\d{4} only"),
            (
                {"till": 1, "pos": 8},
                None,
                "till: 1; it has never told how far it is complete: nothing is said before it",
            ),
            ({"till": 1}, now - DAY // 2, ""),
            ({"pos": 8}, None, ""),
        ):
            feeds = {"pos": 0} if through is None else {"till": through}
            stood = Cursor(partition=1, feeds=feeds)
            warned = late_feeds([Cursor(partition=0), stood], waiting, product.settings_now(), now)
            assert len(warned) == bool(said)
            assert re.search(said, " ".join(warned))
        assert "that waits for" not in told(await look(product), "warn")


async def test_of_two_sources_each_is_waited_for_by_those_whose_runs_it_keeps(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(FILLED.format(locale="en", mode="live") + LATE)
    async with opened(Plan(tmp_path)) as product:
        held = Run(id="r", rule="missed_order", version=1, subject="ann", first=cast(Any, None), started=0, deadline=0)
        rules, settings = product.loaded.rules, product.settings_now()
        for late_since, feeds, behind in (
            (100, {}, {"till", "pos"}),
            (100, {"till": 100, "pos": 99}, {"pos"}),
            (None, {}, set[str]()),
        ):
            held.late_since = late_since
            assert feeds_behind([held], rules, settings, Cursor(partition=1, feeds=feeds)) == behind
        held.late_since, held.first = 100, Kept("Order Completed", "e1", "", 0, 0, "server", Raw(b"{}"))
        row = Row("ann")
        row.runs = [held]
        there = with_other(product, trigger=Held(row, Cursor(partition=0, late={"ann"}, feeds={"pos": 100})))
        assert "customers with a run that waits for till: 1; it has never told" in told(await look(there), "warn")


class Held:
    """Trigger's store, of one customer who waits in the first partition."""

    def __init__(self, row: Row, cursor: Cursor) -> None:
        self._row, self._cursor = row, cursor

    async def cursor(self, partition: int) -> Cursor | None:
        return None if partition else self._cursor

    async def load(self, partition: int, customers: Sequence[str]) -> dict[str, bytes]:
        return {self._row.id: self._row.encode()}


@pytest.mark.parametrize(("mode", "level"), [("allowlist", "warn"), ("live", "fail")])
async def test_a_shop_that_still_says_what_ships_is_told(tmp_path: Path, mode: str, level: str) -> None:
    (tmp_path / "settings.toml").write_text(SHOP.replace('mode = "allowlist"', f'mode = "{mode}"'))
    async with opened(Plan(tmp_path)) as product:
        ships = "settings.toml still says what ships: [shop] sender, reply_to, postal_address, url, public_url"
        assert told(await look(product), level) == ships


async def test_a_shop_whose_people_do_not_hear_what_customers_answer_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(FILLED.format(locale="en", mode="allowlist").replace("live", "shadow"))
    async with opened(Plan(tmp_path)) as product:
        assert told(await look(product), "warn") == (
            'what customers answer reaches nobody: set [rules.tell_desk] mode = "live" in settings.toml'
        )


async def test_a_file_that_was_taken_away_from_the_server_is_told_beside_all_else(tmp_path: Path) -> None:
    plan = Plan(tmp_path, dev=True)
    async with opened(plan) as product:
        plan.file.rename(plan.file.with_suffix(".old"))
        found = await look(product)
    assert f"{plan.file} cannot be seen (No such file or directory)" in told(found, "fail")
    assert "nothing was refused within a day" in told(found, "ok")


async def test_what_was_refused_within_a_day_is_told_with_who_posted_it(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True)) as product:
        assert "nothing was refused within a day" in told(await look(product), "ok")
        for number in range(2):
            body = QuarantineBody(reason="missing_user", message="no userId", source="shop-backend", raw="{}")
            record = QuarantineRecord(id=f"q{number}", key="q", at=product.clock.now(), body=body)
            await product.log.append(QUARANTINE, [(number, b"of somebody else"), (number, encode(record))])
        warned = told(await look(product), "warn")
        assert warned.startswith("2 events or records were refused within a day; the latest: missing_user, from shop-")
        assert product.dev_clock is not None
        product.dev_clock.forward_to(product.clock.now() + DAY)
        assert "nothing was refused within a day" in told(await look(product), "ok")


async def test_what_the_settings_say_to_nobody_is_told(tmp_path: Path) -> None:
    slips = (
        '[rules.abandonned_cart]\nmode = "live"\n[rules.abandoned_cart]\ndealy = "2h"\ndelay = "2h"\ncooldown = "1d"\n'
        'email_patience = "24h"\nmin_value = 10\npush = false\nsecond_after = "48h"\n'
    )
    (tmp_path / "settings.toml").write_text(SHOP.replace('[rules.abandoned_cart]\nmode = "shadow"\n', "") + slips)
    async with opened(Plan(tmp_path)) as product:
        warned = told(await look(product), "warn")
        assert "[rules.abandonned_cart] is for no rule that is loaded; there are: abandoned_cart, canary" in warned
        assert "[rules.abandoned_cart] dealy is nothing that the rule asks for" in warned
        assert not any(f"] {name}" in warned for name in ("delay", "cooldown", "min_value", "push", "second_after"))
        assert "  settings      [rules.abandoned_cart] dealy is nothing" in shop_banner(product, "http://shop")


async def test_beside_a_default_of_none_every_value_will_do(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.py").write_text(
        'from tactful import rule\n\n@rule(on="X", purpose="marketing.own", version=1)\n'
        'async def own(run, event):\n    run.note(run.param("greeting", None))\n'
    )
    (tmp_path / "settings.toml").write_text(f'{SHOP}\n[rules.own]\nmode = "shadow"\ngreeting = "hello"\n')
    async with opened(Plan(tmp_path, rules=rules)) as product:
        assert "[rules.own]" not in told(await look(product), "warn")


async def test_messages_that_do_not_speak_the_shops_language_are_told(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(FILLED.format(locale="de", mode="live"))
    async with opened(Plan(tmp_path)) as product:
        found = told(await look(product), "warn")
        assert "abandoned_cart/email.de.html is missing: the shop's language" in found
        assert "`tactful templates lint --locale de`" in found


async def test_mail_that_others_would_refuse_is_named_with_the_record_to_add(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        found = told(await look(product, World({"shop.example": ["google-site-verification=1"]})), "fail")
        assert "SPF missing, DMARC missing" in found
        assert "add TXT _dmarc.shop.example" in found
        assert "DNS could not be asked" in told(await look(product, World(None)), "warn")


async def test_pages_that_do_not_answer_or_are_not_ours_are_named(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        assert "answered by somebody else, or by a Tactful with another link-key: customers cannot unsubscribe" in told(
            await look(product, World(GOOD, pages=False)), "fail"
        )
        assert "does not answer (connection refused)" in told(await look(product, World(GOOD, pages=None)), "fail")


async def test_another_tactful_under_the_public_url_is_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    async with opened(Plan(tmp_path)) as product, opened(Plan(tmp_path / "staging")) as staging:
        for answering, level in ((product, "ok"), (staging, "fail")):
            outside = Outside(httpx.ASGITransport(web(answering, "tactful")))
            found = told(
                await look(product, World(GOOD, pages=await outside.is_ours(product.links.url(NOBODYS)))), level
            )
            assert re.search(r"/u/… (answers|is answered by .* another link-key)", found)


async def test_a_broken_rule_and_a_broken_template_are_named(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as whole:
        broken = Broken("mine", "rules/mine.py:3: no function is decorated with @rule")
        (tmp_path / "templates" / "abandoned_cart").mkdir(parents=True)
        (tmp_path / "templates" / "abandoned_cart" / "email.en.html").write_text("---\nsubjekt: x\n---\n")
        loaded = whole.loaded._replace(broken=(broken,))
        product = with_other(whole, loaded=loaded, templates=tmp_path / "templates")
        found = told(await look(product), "fail")
        assert "rule mine: rules/mine.py:3" in found
        assert "abandoned_cart/email.en.html:2" in found


async def test_who_stopped_all_sending_and_what_nobody_has_read_yet_are_told(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        await product.button.press("olga", "")
        for worker in (product.trigger_worker, product.dispatch_worker):
            await worker.claim()
        while await product.dispatch_worker.run_once(0):
            pass
        place = partition_of("u1", product.log.partitions)
        records = [encode(event_record("u1", Page(name="home"), product.clock.now(), f"e{n}")) for n in range(1500)]
        await product.log.append(EVENTS, [(place, record) for record in records])
        found = told(await look(product), "warn")
        assert "all sending is stopped by olga; `tactful resume` lets it go on" in found
        assert "trigger has 1,50" in found


async def test_events_that_were_posted_again_are_told(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path)) as product:
        place = partition_of("u1", product.log.partitions)
        added = encode(event_record("u1", ProductAdded(product_id="p1"), product.clock.now(), "e1"))
        await product.log.append(EVENTS, [(place, added)] * 3)
        await product.trigger_worker.claim()
        while await product.trigger_worker.run_once(place):
            pass
        assert "repeats of events, mostly with the same id, that changed nothing: 2" in told(
            await look(product), "info"
        )


async def test_a_template_that_eats_the_machine_is_named_by_a_server_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "eater").mkdir()
    (tmp_path / "eater" / "push.en.txt").write_text("{{ ('a' * n)|length }}")
    (tmp_path / "eater" / "example.json").write_text('{"data": {"n": 600000000}}')
    async with opened(Plan(tmp_path, templates=tmp_path)) as product:
        assert "eater/push.en.txt:1: rendering used too much memory" in told(await look(product), "warn")


async def test_messages_that_wait_for_a_provider_or_a_template_are_told_and_their_story_says_why(
    tmp_path: Path,
) -> None:
    bench = DispatchBench(partitions=4)
    for name in ("anna", "boris", "cleo"):
        bench.consenting(name)
    bench.adapter.outcomes = [Retry(MINUTE, "421", "busy"), Retry(MINUTE, "421", "busy")]
    bench.asks("m1", "anna")
    bench.asks("m2", "boris")
    bench.asks("m3", "cleo", channel="push", data={"broken": "no such name"})
    async with opened(Plan(tmp_path)) as whole:
        warned = told(await look(with_other(whole, dispatch=bench.store)), "warn")
        assert (
            "messages by email wait, 2 in all: the provider cannot take it now; `tactful explain anna` says" in warned
        )
        assert (
            "messages by push wait, 1 in all: the template does not render; `tactful explain cleo` says why" in warned
        )
        story = Story(whole.trigger, bench.store, whole.book, bench.book, 4)
        (waits,) = timeline(await story.timeline("anna"), "Europe/Madrid").upcoming
        assert waits.text == "email: scripted cannot take it now: busy"


async def test_in_dev_nobody_asks_for_mail_records(tmp_path: Path) -> None:
    async with opened(Plan(tmp_path, dev=True)) as product:
        found = await look(product, World({}))
        assert told(found, "fail") == ""
        assert "every channel is the inbox" in told(found, "info")
