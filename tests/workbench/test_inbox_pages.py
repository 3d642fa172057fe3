"""The inbox over HTTP: letters as their readers see them, the customer played, the clock moved."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from markup import HOSTILE, Markup, assert_harmless
from stories import FOUR, umas_story

from tactful.clock import HOUR, ManualClock
from tactful.errors import InvalidInput
from tactful.settings import Shop
from tactful_console.advance import AdvanceReport
from tactful_console.history import TimelineInputs
from tactful_dispatch.channels.inbox import Letter, MemoryShelf
from tactful_workbench.inbox import create_inbox
from tactful_workbench.inbox.ports import Act, Step, Surroundings, acts_of

MAIL = Letter(
    message_id="m_2",
    customer="u1",
    channel="email",
    address="u1@example.test",
    sender="Sample shop <hello@shop.example>",
    subject="Uma, your Blue kettle is still here",
    preheader="Saved for you, no hurry",
    html='<html><head></head><body><p>Blue kettle</p><img src="http://127.0.0.1:8080/o/WyJvcGVuIl0" alt=""></body></html>',
    text="Finish my order: http://127.0.0.1:8080/c/abc.",
    at=FOUR,
    headers={
        "List-Unsubscribe": "<http://127.0.0.1:8080/u/abc>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
)
PUSH = replace(MAIL, message_id="m_3", channel="push", subject="Your basket", html="", text="It is saved", headers={})
SMS = replace(MAIL, message_id="m_4", channel="sms", subject="", html="", sender="SHOP", headers={})


class Player:
    """Remembers what was played."""

    def __init__(self) -> None:
        self.played: list[tuple[str, Act, str]] = []

    async def play(self, letter: Letter, act: Act, text: str) -> str:
        if act not in acts_of(letter.channel):
            raise InvalidInput("not_here", f"{letter.channel} cannot {act}", field="act")
        self.played.append((letter.message_id, act, text))
        return f"{letter.customer} did {act} {text}"


class Face:
    """A clock that goes on by an hour, whatever the step."""

    def __init__(self) -> None:
        self._clock = ManualClock(FOUR)
        self.steps: list[Step] = []

    def now(self) -> int:
        return self._clock.now()

    async def advance(self, step: Step) -> AdvanceReport:
        if step.to == "yesterday":
            raise InvalidInput("in_the_past", "the dev clock only goes on", field="to")
        start = self.now()
        self.steps.append(step)
        self._clock.forward_to(start + HOUR)
        return AdvanceReport(start=start, end=self.now(), timers_fired=2)


class Facts:
    """Knows Uma's story under every name."""

    async def timeline(self, customer: str) -> TimelineInputs:
        return replace(umas_story(), customer=customer)

    async def stopped(self) -> None:
        return None

    async def search(self, text: str) -> list[str]:
        return []


class Bench:
    """An inbox with what stands around it."""

    def __init__(self, shop: Shop | None = None) -> None:
        self.shelf, self.player, self.face = MemoryShelf(), Player(), Face()
        here = Surroundings("http://127.0.0.1:9911", ".venv/bin/tactful", "dev_server")
        app = FastAPI()
        app.include_router(
            create_inbox(self.shelf, self.player, self.face, Facts(), lambda: shop or Shop(), here),
        )
        self.browser = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:9911")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    for letter in (MAIL, PUSH, SMS):
        await bench.shelf.put(letter)
    async with bench.browser:
        yield bench


async def test_an_empty_inbox_offers_the_lines_for_the_first_message() -> None:
    async with (bench := Bench()).browser as browser:
        page = assert_harmless(await browser.get("/inbox"))
    identify = re.search(r"curl .*identify -d '(.*)'", page.text)
    assert identify is not None
    assert "-u dev_server: " in identify[0]
    assert "http://127.0.0.1:9911/v1/track" in page.text
    assert ".venv/bin/tactful consent grant u1 marketing --channel email --source signup-form" in page.text
    assert ".venv/bin/tactful dev advance --to message" in page.text
    assert bench.face.steps == []


async def test_letters_are_listed_the_latest_first(bench: Bench) -> None:
    page = assert_harmless(await bench.browser.get("/inbox"))
    listed = [str(link["href"]) for link in page.all("a") if re.fullmatch(r"/inbox/\d+", str(link["href"]))]
    assert listed == ["/inbox/3", "/inbox/2", "/inbox/1"]
    assert page.all("svg")


async def test_the_latest_letter_lies_beside_the_list(bench: Bench) -> None:
    page = Markup((await bench.browser.get("/inbox")).text)
    assert "SMS to u1" in page.text


async def test_a_mail_is_shown_in_a_cage(bench: Bench) -> None:
    page = assert_harmless(await bench.browser.get("/inbox/1"))
    (frame,) = page.all("iframe")
    assert frame["src"] == "/inbox/1/body"
    assert "allow-scripts" not in str(frame["sandbox"])
    assert "allow-same-origin" not in str(frame["sandbox"])


async def test_the_mails_document_may_run_and_load_nothing(bench: Bench) -> None:
    policy = (await bench.browser.get("/inbox/1/body")).headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "img-src data: http://127.0.0.1:* http://localhost:*;" in policy


async def test_looking_at_a_mail_is_not_opening_it(bench: Bench) -> None:
    body = await bench.browser.get("/inbox/1/body")
    assert "Blue kettle" in body.text
    assert "/o/" not in body.text


async def test_a_push_message_and_an_sms_are_drawn_as_such(bench: Bench) -> None:
    push, sms = [Markup((await bench.browser.get(f"/inbox/{n}")).text) for n in (2, 3)]
    assert [d for d in push.all("div") if d.get("class") == "phone lock"]
    assert [d for d in sms.all("div") if d.get("class") == "phone talk"]
    assert not push.all("iframe") + sms.all("iframe")


async def test_the_text_part_has_its_links(bench: Bench) -> None:
    page = assert_harmless(await bench.browser.get("/inbox/1?tab=text"))
    (link,) = [a for a in page.all("a") if str(a["href"]).startswith("http://127.0.0.1:8080/")]
    assert link["href"] == "http://127.0.0.1:8080/c/abc"
    assert link["rel"] == "noopener noreferrer"


async def test_the_headers_show_both_lines_for_unsubscribing(bench: Bench) -> None:
    page = assert_harmless(await bench.browser.get("/inbox/1?tab=headers"))
    assert "List-Unsubscribe<http://127.0.0.1:8080/u/abc>" in page.text.replace("\n", "")
    assert "List-Unsubscribe-PostList-Unsubscribe=One-Click" in page.text.replace("\n", "")


async def test_the_decision_names_the_gates(bench: Bench) -> None:
    page = assert_harmless(await bench.browser.get("/inbox/1?tab=decision"))
    assert "consent #1 · budget 0 of 1 this week" in page.text
    assert "Every gate was open." in page.text


async def test_a_decision_that_is_not_told_yet_says_so(bench: Bench) -> None:
    page = assert_harmless(await bench.browser.get("/inbox/2?tab=decision"))
    assert "The decision is on its way" in page.text


async def test_a_tab_that_does_not_exist_is_the_first(bench: Bench) -> None:
    assert Markup((await bench.browser.get("/inbox/1?tab=../../x")).text).all("iframe")


@pytest.mark.parametrize("path", ["/inbox/9", "/inbox/9/body", "/inbox/9.json"])
async def test_a_letter_that_does_not_exist_is_not_found(bench: Bench, path: str) -> None:
    assert (await bench.browser.get(path)).status_code == 404


async def test_the_twins_give_machines_the_same(bench: Bench) -> None:
    listed = (await bench.browser.get("/inbox.json")).json()
    one = (await bench.browser.get("/inbox/1.json")).json()
    assert [letter["number"] for letter in listed] == [3, 2, 1]
    assert one["subject"] == "Uma, your Blue kettle is still here"
    assert one["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_playing_ends_in_a_page_that_says_what_came_of_it(bench: Bench) -> None:
    answer = await bench.browser.post("/inbox/1/play", data={"act": "reply", "text": "Is it in red?"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox/1?played")
    assert bench.player.played == [("m_2", Act.REPLY, "Is it in red?")]
    assert "u1 did reply Is it in red?" in assert_harmless(await bench.browser.get("/inbox/1?played")).text
    assert "did reply" not in (await bench.browser.get("/inbox/1")).text


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_every_button_of_a_letter_is_one_that_its_channel_allows(bench: Bench, number: int) -> None:
    page = Markup((await bench.browser.get(f"/inbox/{number}")).text)
    offered = [str(button["value"]) for button in page.all("button") if button.get("name") == "act"]
    assert offered
    for act in offered:
        assert (await bench.browser.post(f"/inbox/{number}/play", data={"act": act})).status_code == 303


async def test_what_cannot_be_played_is_refused_with_a_page(bench: Bench) -> None:
    for data in ({"act": "bribe"}, {"act": ""}, {}):
        answer = await bench.browser.post("/inbox/1/play", data=data)
        assert answer.status_code == 400
        assert "Use one of: open, click, reply, bounce, spam, unsubscribe." in assert_harmless(answer).text
    assert "push cannot bounce" in (await bench.browser.post("/inbox/2/play", data={"act": "bounce"})).text
    assert (await bench.browser.post("/inbox/9/play", data={"act": "open"})).status_code == 404
    assert bench.player.played == []


async def test_the_clocks_buttons_move_it_and_show_what_happened(bench: Bench) -> None:
    page = Markup((await bench.browser.get("/inbox")).text)
    buttons = [button for button in page.all("button") if button.get("name") in ("advance", "to")]
    assert [button["value"] for button in buttons] == ["10m", "1h", "1d", "message", "tomorrow 09:00"]
    for button in buttons:
        answer = await bench.browser.post("/inbox/clock", data={str(button["name"]): str(button["value"])})
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox?moved")
    assert bench.face.steps == [
        Step(by="10m"),
        Step(by="1h"),
        Step(by="1d"),
        Step(to="message"),
        Step(to="tomorrow 09:00"),
    ]
    moved = assert_harmless(await bench.browser.get("/inbox?moved"))
    assert "20:00 → 21:00   2 timers fired" in moved.text


async def test_a_step_that_nobody_understands_is_refused(bench: Bench) -> None:
    for data in ({}, {"advance": "1h", "to": "message"}, {"to": "yesterday"}):
        assert (await bench.browser.post("/inbox/clock", data=data)).status_code == 400
    assert bench.face.steps == []


async def test_another_site_cannot_play_with_the_inbox(bench: Bench) -> None:
    for path, data in (("/inbox/1/play", {"act": "spam"}), ("/inbox/clock", {"advance": "1d"})):
        answer = await bench.browser.post(path, data=data, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
    assert (bench.player.played, bench.face.steps) == ([], [])


async def test_a_huge_form_is_refused(bench: Bench) -> None:
    answer = await bench.browser.post("/inbox/1/play", data={"act": "reply", "text": "x" * 20_000})
    assert answer.status_code == 413


async def test_looking_changes_nothing(bench: Bench) -> None:
    for path in ("/inbox", "/inbox/1", "/inbox/1/body", "/inbox/1?tab=decision", "/inbox?moved", "/inbox/1?played"):
        assert (await bench.browser.get(path)).status_code == 200
    assert (bench.player.played, bench.face.steps, bench.face.now()) == ([], [], FOUR)


@pytest.mark.parametrize("channel", ["email", "push", "sms", "call", HOSTILE])
@pytest.mark.parametrize("tab", ["html", "text", "headers", "decision"])
async def test_nothing_in_a_letter_becomes_part_of_the_page(channel: str, tab: str) -> None:
    bench = Bench(Shop(name=HOSTILE))
    words: dict[str, Any] = {
        name: HOSTILE for name in ("message_id", "customer", "address", "sender", "subject", "preheader")
    }
    await bench.shelf.put(
        replace(MAIL, **words, channel=channel, html=HOSTILE, text=HOSTILE, headers={HOSTILE: HOSTILE})
    )
    async with bench.browser as browser:
        if channel == "email":
            await browser.post("/inbox/1/play", data={"act": "reply", "text": HOSTILE})
        page = assert_harmless(await browser.get(f"/inbox/1?tab={tab}&played"))
        assert_harmless(await browser.get("/inbox"))
    assert "<script>alert(1)</script>" in page.text
