"""The console over HTTP: what it shows, and that nothing anybody wrote becomes part of the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from markup import HOSTILE, Markup, assert_harmless
from stories import FOUR, decision, held_message, row, umas_story

from tactful.clock import DAY, ManualClock
from tactful.errors import LogUnavailable
from tactful.keys import FixedKeys, Key, KeyRing
from tactful.settings import Shop
from tactful_console.app import Readings, Stopped, create_console, customer_path
from tactful_console.history import Consent, Held, HistoryRow, JournalEntry, Pending, TimelineInputs
from tactful_console.standings import RuleStanding


class Facts:
    """Knows what it is given."""

    def __init__(self, *known: TimelineInputs) -> None:
        self.known = {inputs.customer: inputs for inputs in known}
        self.stop: Stopped | None = None

    async def timeline(self, customer: str) -> TimelineInputs:
        return self.known.get(customer, TimelineInputs(customer))

    async def stopped(self) -> Stopped | None:
        return self.stop

    async def search(self, text: str) -> list[str]:
        return [customer for customer in self.known if text in customer]


class Rules:
    """One of each kind."""

    async def rules(self) -> list[RuleStanding]:
        why = "3 of 60 who were written to opted out"
        return [
            RuleStanding(
                name="cart", version=2, mode="live", share=0.05, standing="paused", why=why, wrote=60, opted_out=3
            ),
            RuleStanding(name="lost", version=1, mode="live", parked=2),
            RuleStanding(name="missed", version=1, mode="shadow", about="An order is overdue.", reached=0),
            RuleStanding(name="churn", version=1, mode="live", wrote=1, reached=1),
        ]


class Button:
    """Stops what `facts` tell of, unless dispatch is deaf."""

    def __init__(self, facts: Facts) -> None:
        self._facts, self.pressed, self.deaf, self.logless = facts, list[tuple[str, str]](), False, False

    async def press(self, by: str, why: str) -> None:
        if self.logless:
            raise LogUnavailable("no broker answers at kafka:9092")
        self.pressed.append((by, why))
        if not self.deaf:
            self._facts.stop = Stopped(by, why, FOUR)

    async def is_in_force(self) -> bool:
        return not self.deaf


def client(
    facts: Facts,
    shop: Shop | None = None,
    button: Button | None = None,
    keys: KeyRing | None = None,
    readings: Readings | None = None,
) -> httpx.AsyncClient:
    app = FastAPI()
    clock = ManualClock(FOUR + DAY)
    routes = create_console(facts, Rules(), button or Button(facts), clock, lambda: shop or Shop(), keys, readings)
    app.include_router(routes)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console.test")


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    uma = replace(umas_story(), held=(held_message(),))
    async with client(Facts(uma, replace(uma, customer="u2"))) as browser:
        yield browser


async def test_the_story_is_told_with_what_comes_next(browser: httpx.AsyncClient) -> None:
    page = assert_harmless(await browser.get("/console/customers/u1"))
    for words in (
        "nobody has granted marketing.cart by email",
        "tactful consent grant u1 marketing --channel email --source signup-form",
        "consent #1 · budget 0 of 1 this week · 16:00 in Europe/Madrid (profile)",
        "Quiet hours until Tue 09:00 in Europe/Madrid, from the profile",
        "a click or a reply, then push",
        "signup-form-3",
    ):
        assert words in page.text


async def test_every_page_says_who_stopped_all_sending_when_and_why() -> None:
    facts = Facts(umas_story())
    async with client(facts) as browser:
        assert "stopped" not in (await browser.get("/console")).text
        facts.stop = Stopped("olga", "wrong price", FOUR)
        for path in ("/console", "/console/customers/u1", "/console/customers/nobody"):
            page = assert_harmless(await browser.get(path))
            words = " ".join(page.text.split())
            assert "All sending is stopped by olga since" in words
            assert "wrong price" in words


async def test_a_stop_of_long_ago_says_on_which_day_it_was() -> None:
    facts = Facts(umas_story())
    facts.stop = Stopped("olga", "", FOUR - 21 * DAY)
    async with client(facts) as browser:
        assert "Mon 2 Nov 2026" in (await browser.get("/console")).text


async def test_only_the_latest_decision_is_open(browser: httpx.AsyncClient) -> None:
    page = Markup((await browser.get("/console/customers/u1")).text)
    assert sum("open" in details for details in page.all("details")) == 1


async def test_the_first_page_says_how_rules_stand(browser: httpx.AsyncClient) -> None:
    page = assert_harmless(await browser.get("/console"))
    words = " ".join(re.sub(r"<[^>]+>", " ", page.text.partition("</main>")[0]).split())
    for told in (
        "cart v2 live paused 3 of 60 who were written to opted out · for 5% of customers · wrote 60 times · 3 (5.0 %)",
        "missed v1 shadow An order is overdue. has written to nobody",
        "lost v1 live 2 runs are parked; once it is mended: tactful rules resume lost · has written to nobody",
        "churn v1 live wrote 1 time · 1 reached the goal · 0 opted out",
    ):
        assert told in words
    assert "Rules" not in (await browser.get("/console", params={"q": "u"})).text


async def test_a_first_name_stands_in_its_own_story_and_in_no_list() -> None:
    async with client(Facts(replace(umas_story(), first_name="Ума"))) as browser:
        page = assert_harmless(await browser.get("/console/customers/u1"))
        assert len(page.all("bdi")) == page.text.count("Ума") == 1, "beside the id, whichever way it is written"
        assert (await browser.get("/console/customers/u1.json")).json()["first_name"] == "Ума"
        assert "Ума" not in (await browser.get("/console")).text
        assert "Ума" not in (await browser.get("/console", params={"q": "u"}, follow_redirects=False)).text


async def test_the_latest_comes_first(browser: httpx.AsyncClient) -> None:
    page = Markup((await browser.get("/console/customers/u1")).text)
    assert page.text.index("template 4f1c") < page.text.index("wakes after 1 h of quiet")


async def test_the_twin_has_the_same_story_for_machines(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/console/customers/u1.json")
    story = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert [entry["kind"] for entry in story["entries"]][:3] == ["event", "started", "decided"]
    assert story["entries"][2]["gates"][1]["decides"] is True
    assert story["upcoming"][0]["chip"] == {"word": "held", "tone": "held"}
    assert story["consents"][0]["entry"] == 1


async def test_a_customer_nobody_has_heard_of_is_not_found_and_told_why(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/console/customers/u9")
    assert answer.status_code == 404
    assert "Nothing is known of this customer" in assert_harmless(answer).text
    assert (await browser.get("/console/customers/u9.json")).status_code == 404


async def test_a_single_hit_is_opened_at_once(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/console", params={"q": "u2"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/customers/u2")


async def test_several_hits_are_listed(browser: httpx.AsyncClient) -> None:
    page = assert_harmless(await browser.get("/console", params={"q": "u"}))
    assert [link["href"] for link in page.all("a")][-2:] == ["/console/customers/u1", "/console/customers/u2"]


async def test_an_empty_place_says_what_would_fill_it(browser: httpx.AsyncClient) -> None:
    assert "Nobody fits" in assert_harmless(await browser.get("/console", params={"q": "zzz"})).text
    async with client(Facts()) as nobody:
        assert "No customer yet" in assert_harmless(await nobody.get("/console")).text


@pytest.mark.parametrize(
    "customer",
    [
        "u/1",
        "ä ö",
        "a.json",
        ".",
        "..",
        "../x",
        "x/",
        "?q=1",
        "#x",
        "%2e%2e",
        "a&b=c",
        "\u202e",
        HOSTILE,
        "a\\b",
        "a\nb",
    ],
)
async def test_every_id_has_a_page_that_its_link_leads_to(customer: str) -> None:
    async with client(Facts(replace(umas_story(), customer=customer))) as browser:
        answer = await browser.get(customer_path(customer))
        assert answer.status_code == 200
        page = assert_harmless(answer)
        assert customer in page.text
        (twin,) = [link["href"] for link in page.all("a") if "json" in str(link["href"]).partition("?")[0]]
        assert (await browser.get(str(twin))).json()["customer"] == customer


def hostile_rows() -> list[HistoryRow]:
    """One row of each kind with the same hostile words in every field that takes words."""
    gate = {"gate": HOSTILE, "verdict": "refused", "reason": "provider", "facts": {"detail": HOSTILE, HOSTILE: HOSTILE}}
    odd = {"gate": HOSTILE, "verdict": "open", "facts": {HOSTILE: HOSTILE}}
    words = dict.fromkeys(
        ("name", "id", "source", "about", "why", "text", "waiting", "version", "channel", "purpose", "state", "entry"),
        HOSTILE,
    ) | dict.fromkeys(("wording", "via", "change", "url", "message_id", "properties_", "basis"), HOSTILE)
    answer = decision(HOSTILE, "not_sent", "provider", gates=[odd, gate]) | {
        name: HOSTILE for name in ("subject", "purpose", "template", "provider", "detail", "message_id", "rule", "url")
    }
    kinds = ("event", "started", "asked", "confirmed", "withdrawn", "ended", "parked", "receipt", "consent")
    rows = [
        HistoryRow(HOSTILE, FOUR, 1, n, kind, HOSTILE, HOSTILE, words | {"properties": {HOSTILE: HOSTILE}})
        for n, kind in enumerate((*kinds, "not_started", "note", "preferences", HOSTILE))
    ]
    return [*rows, HistoryRow(HOSTILE, FOUR, 2, 0, "decided", HOSTILE, "r", answer)]


async def test_nothing_that_anybody_wrote_becomes_part_of_the_page() -> None:
    story = TimelineInputs(
        customer=HOSTILE,
        zone=HOSTILE,
        rows=hostile_rows(),
        pending=(Pending(FOUR, HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        held=(Held(HOSTILE, HOSTILE, HOSTILE, "provider", FOUR, {"detail": HOSTILE}),),
        consents=(Consent(HOSTILE, HOSTILE, HOSTILE, 1, FOUR, HOSTILE, HOSTILE, HOSTILE),),
        journals={HOSTILE: (JournalEntry(HOSTILE, FOUR, {HOSTILE: HOSTILE}),)},
    )
    async with client(Facts(story), Shop(name=HOSTILE)) as browser:
        page = assert_harmless(await browser.get(f"/console/customers/{quote(HOSTILE, safe='')}"))
        assert page.text.count("<script>alert(1)</script>") > 40
        assert_harmless(await browser.get("/console", params={"q": HOSTILE + "x"}))
        assert_harmless(await browser.get("/console"))
        assert_harmless(await browser.get("/console/customers", params={"id": HOSTILE + "x"}))


async def test_times_are_the_customers_with_the_shops_beside_them() -> None:
    story = TimelineInputs("u1", "Asia/Tokyo", (row(FOUR, "event", {"name": "Page", "id": "m"}),))
    async with client(Facts(story)) as browser:
        page = Markup((await browser.get("/console/customers/u1")).text)
        assert "00:00" in page.text
        shown: list[Any] = [time.get("title") for time in page.all("time")]
        assert "Mon 23 Nov 2026 16:00 Europe/Madrid" in shown


async def test_no_style_changes_the_letters_of_an_id_or_a_path(browser: httpx.AsyncClient) -> None:
    assert "text-transform" not in (await browser.get("/console/customers/u1")).text


async def test_stopping_is_all_one_can_do(browser: httpx.AsyncClient) -> None:
    for path in ("/console", "/console/customers/u1", "/console/customers"):
        assert (await browser.post(path)).status_code == 405


# -- the red button


async def test_the_button_stops_all_sending_and_the_next_page_says_so() -> None:
    facts = Facts()
    button = Button(facts)
    async with client(facts, button=button) as browser:
        home = Markup((await browser.get("/console")).text)
        assert "/console/stop" in [link["href"] for link in home.all("a")]
        page = assert_harmless(await browser.get("/console/stop"))
        assert "/console/stop" not in [link["href"] for link in page.all("a")], "one red button is enough"
        assert [form["action"] for form in page.all("form") if form.get("method") == "post"] == ["/console/stop"]
        answer = await browser.post("/console/stop", data={"why": "  wrong price "})
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        page = assert_harmless(await browser.get("/console"))
        assert "All sending is stopped" in page.text
        assert "/console/stop" not in [link["href"] for link in page.all("a")]
    assert button.pressed == [("console", "wrong price")]


async def test_a_stop_that_some_dispatch_does_not_read_is_told_as_such() -> None:
    facts = Facts()
    button = Button(facts)
    button.deaf = True
    async with client(facts, button=button) as browser:
        answer = await browser.post("/console/stop")
    assert answer.status_code == 202
    assert "some dispatch has not read it yet" in assert_harmless(answer).text


async def test_a_stop_that_cannot_be_told_says_what_that_means() -> None:
    facts = Facts()
    button = Button(facts)
    button.logless = True
    async with client(facts, button=button) as browser:
        answer = await browser.post("/console/stop")
    assert answer.status_code == 503
    page = assert_harmless(answer)
    assert "nothing leaves either, once it has not been read for a minute" in page.text
    assert "kafka:9092" in page.text


@pytest.mark.parametrize("why", [HOSTILE, "\0", "x" * 10_000, "%ff%fe", "a=b&c=d", "\u202e\x1b[31m"])
async def test_no_reason_is_too_strange(why: str) -> None:
    facts = Facts()
    async with client(facts) as browser:
        assert (await browser.post("/console/stop", data={"why": why})).status_code == 303
        assert "All sending is stopped" in assert_harmless(await browser.get("/console")).text
    assert facts.stop is not None
    assert not set(facts.stop.why) & set("\0\x1b\u202e")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 303),
        ({"sec-fetch-site": "same-origin", "origin": "https://proxied.example"}, 303),
        ({"origin": "http://console.test"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
    ],
)
async def test_only_the_consoles_own_pages_press_the_button(told: dict[str, str], status: int) -> None:
    facts = Facts()
    button = Button(facts)
    async with client(facts, button=button) as browser:
        assert (await browser.post("/console/stop", headers=told)).status_code == status
    assert bool(button.pressed) == (status == 303)


# -- who may enter

KEYS = FixedKeys(
    [("s3cret", Key("anna", "operator")), ("shop", Key("backend", "server")), ("page", Key("web", "browser"))]
)


@pytest.mark.parametrize("given", [("anna", "s3cret"), ("whoever", "s3cret"), ("s3cret", "")])
async def test_an_operators_key_opens_the_console_whatever_the_user_name(given: tuple[str, str]) -> None:
    facts = Facts(umas_story())
    button = Button(facts)
    async with client(facts, button=button, keys=KEYS) as browser:
        for path in ("/console", "/console/customers/u1", "/console/customers/u1.json", "/console/stop"):
            assert (await browser.get(path, auth=given)).status_code == 200
        await browser.post("/console/stop", auth=given)
    assert button.pressed == [("anna", "")]


@pytest.mark.parametrize("given", [None, ("anna", "guess"), ("shop", ""), ("backend", "shop"), ("page", "page")])
@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console?q=u1",
        "/console/customers/u1",
        "/console/customers/u1.json",
        "/console/customers?id=u1",
        "/console/customers.json?id=u1",
        "/console/stop",
    ],
)
async def test_nobody_else_sees_anything(path: str, given: tuple[str, str] | None) -> None:
    async with client(Facts(umas_story()), keys=KEYS) as browser:
        answer = await browser.get(path, auth=given or httpx.USE_CLIENT_DEFAULT)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    page = assert_harmless(answer)
    assert "tactful keys create NAME --kind operator" in page.text
    assert "u1" not in page.text


async def test_nobody_else_presses_the_button() -> None:
    facts = Facts()
    button = Button(facts)
    async with client(facts, button=button, keys=KEYS) as browser:
        assert (await browser.post("/console/stop")).status_code == 401
    assert button.pressed == []


async def test_the_page_shows_the_time_of_the_clock_that_was_given(browser: httpx.AsyncClient) -> None:
    assert "now Tue 16:00 Europe/Madrid" in Markup((await browser.get("/console")).text).text


class Book(list[tuple[str, str]]):
    """Implements `tactful_console.app.Readings`."""

    async def note(self, customer: str, by: str) -> None:
        self.append((customer, by))


async def test_it_is_noted_who_has_read_whose_story_and_not_who_only_looked_for_one() -> None:
    book = Book()
    async with client(Facts(umas_story()), keys=KEYS, readings=book) as browser:
        for path in ("/console", "/console?q=uma", "/console/customers/nobody", "/console/stop"):
            await browser.get(path, auth=("anna", "s3cret"))
        await browser.get("/console/customers/u1")  # without a key
        assert book == []
        for path in ("/console/customers/u1", "/console/customers/u1.json", "/console/customers?id=u1"):
            assert (await browser.get(path, auth=("anna", "s3cret"))).status_code == 200
        assert book == [("u1", "anna")] * 3
