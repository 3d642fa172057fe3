"""A link in a message to an address that its customer has replaced: whoever reads there is shown nothing of them."""

from __future__ import annotations

import re

import httpx
import pytest
from dispatchbench import DispatchBench
from enginebench import drive
from fakedesk import FakeDesk, FakePersonal
from fastapi import FastAPI

from tactful.clock import ManualClock
from tactful.records import EraseBody, EraseRecord
from tactful.settings import Shop
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public import create_public
from tactful_dispatch.state.addresses import AddressBook

NOW = 1_795_000_000_000
LINKS = Links("https://hello.shop.example", b"key")
CARD = CustomerCard("u1", {"email": "uma@example.test"}, "Uma", "en", None, (), (), 0, False, ())
OLD, NEW = {"email": "old@example.test"}, {"email": "new@example.test"}


class Page:
    """The public pages, and what they did."""

    def __init__(self) -> None:
        self.desk, self.personal = FakeDesk(CARD, NOW), FakePersonal()
        self.desk.former_channel = "email"
        app = FastAPI()
        app.include_router(create_public(self.desk, self.personal, LINKS, ManualClock(NOW), Shop))
        self.transport = httpx.ASGITransport(app)

    async def ask(self, method: str, path: str, action: str, **form: str) -> httpx.Response:
        token = LINKS.token(Grant(action, "u1", "m_1", "email", "marketing.cart", "abandoned_cart"))
        async with httpx.AsyncClient(transport=self.transport, base_url="http://test") as client:
            return await client.request(method, f"/{path}/{token}", data=form or None)

    @property
    def did(self) -> list[object]:
        return [*self.desk.calls, *self.personal.erased]


EVERYTHING = [
    ("p", "preferences", {"do": "stop"}),
    ("n", "mute", {"do": "mute"}),
    ("z", "pause", {"days": "30"}),
    ("b", "about", {"topic": "Garden"}),
    ("a", "answer", {"do": "answer"}),
    ("d", "preferences", {}),
    ("e", "preferences", {"do": "erase"}),
]


@pytest.mark.parametrize(("path", "action", "form"), EVERYTHING, ids=[path for path, *_ in EVERYTHING])
async def test_nothing_is_shown_and_nothing_changed_and_the_page_leads_to_the_end_of_it(
    path: str, action: str, form: dict[str, str]
) -> None:
    page = Page()
    asked = [await page.ask("GET", path, action)]
    if form:
        asked.append(await page.ask("POST", path, action, **form))
    for shown in asked:
        assert (shown.status_code, "an earlier address" in shown.text) == (403, True)
        assert "Uma" not in shown.text
        assert 'href="../u/' in shown.text
    assert page.did == []


async def test_unsubscribing_is_open_to_whoever_reads_there_and_says_only_what_was_done() -> None:
    page = Page()
    assert (await page.ask("GET", "u", "unsubscribe")).status_code == 200
    done = await page.ask("POST", "u", "unsubscribe", do="unsubscribe")
    assert (done.status_code, "Uma" in done.text) == (200, False)
    one_click = await page.ask("POST", "u", "unsubscribe", **{"List-Unsubscribe": "One-Click"})
    assert one_click.text == "Unsubscribed.\n"
    assert [call[:5] for call in page.desk.calls] == [("consent", "u1", "marketing", "email", "withdrawn")] * 2


def written_to(customer: str = "u1", **addresses: str) -> DispatchBench:
    """`m1` went to the customer's address as it was."""
    bench = DispatchBench()
    bench.consenting(customer, addresses=addresses or OLD)
    bench.asks(customer=customer, channel=next(iter(addresses or OLD)))
    assert bench.sent == ["m1"]
    return bench


def former(bench: DispatchBench, customer: str = "u1") -> str | None:
    bench.settle()
    said: str | None = drive(bench.desk.former(customer, "m1"))
    return said


def test_who_has_another_address_by_now_may_be_somebody_else_than_who_reads_at_the_earlier_one() -> None:
    bench = written_to()
    assert former(bench) is None
    bench.knows(addresses=NEW)
    assert former(bench) == "email"
    bench.knows(addresses=OLD)
    assert former(bench) is None


def test_in_whose_place_no_other_address_is_known_is_still_them() -> None:
    bench = written_to()
    bench.knows(addresses={"sms": "+34600000000"})
    assert former(bench) is None


def test_a_device_keeps_its_reader_when_its_token_is_renewed() -> None:
    bench = written_to(push="token")
    bench.knows(addresses={"push": "another"})
    assert former(bench) is None


def test_what_was_the_address_of_an_earlier_name_when_it_ended_stays_theirs() -> None:
    bench = written_to("u2")
    bench.knows("u1", addresses=NEW)
    bench.link("u2", "u1")
    bench.knows("u2", addresses=NEW)  # as trigger tells while something waits under it
    assert former(bench, "u2") is None


@pytest.mark.parametrize(("theirs", "channel"), [(OLD, None), (NEW, "email"), ({}, "email")])
def test_a_visitor_speaks_for_whom_a_browser_calls_them_at_an_address_of_theirs_alone(
    theirs: dict[str, str], channel: str | None
) -> None:
    bench = written_to("anon:a1")
    bench.knows("u1", addresses=theirs)
    assert former(bench, "anon:a1") is None
    bench.link("anon:a1", "u1")
    assert former(bench, "anon:a1") == channel
    assert drive(bench.desk.former("anon:a1", "m_unknown")) == ""


def test_what_an_earlier_name_had_replaced_before_is_nobodys() -> None:
    bench = written_to("u2")
    bench.knows("u2", addresses={"email": "second@example.test"})
    bench.knows("u1", addresses=NEW)
    bench.link("u2", "u1")
    assert former(bench, "u2") == "email"


def test_of_a_message_that_nobody_knows_any_more_nothing_is_said() -> None:
    assert drive(written_to().desk.former("u1", "m_unknown")) is None
    assert drive(written_to().desk.former("u1", "")) is None


def forgotten(bench: DispatchBench, customer: str = "u1") -> list[str | None]:
    """What is said of the links of `m1` once retention has let go of it."""
    (letter,) = bench.adapter.sent
    urls = [letter.rendered.preheader, letter.one_click_url]
    bench.settle()
    assert drive(bench.store.forget_decided(bench.now + 1, 10)) == 1
    grants = [LINKS.read(url.rpartition("/")[2]) for url in urls]
    return [drive(bench.desk.former(customer, "m1", sent_to=grant.sent_to)) for grant in grants]


def test_links_know_where_a_message_went_that_is_not_kept_any_more() -> None:
    assert forgotten(written_to()) == [None, None]
    moved = written_to()
    moved.knows(addresses=NEW)
    assert forgotten(moved) == ["email", "email"]


ONE_CLICK, BUTTON, STOP = {"List-Unsubscribe": "One-Click"}, {"do": "unsubscribe"}, {"do": "stop"}


@pytest.mark.parametrize(
    ("gone", "wish"),
    [
        ("nothing", STOP),
        ("the message", ONE_CLICK),
        ("the message", BUTTON),
        ("the customer", ONE_CLICK),
        ("the customer", BUTTON),
        ("the customer", STOP),
    ],
)
async def test_who_unsubscribes_is_written_to_no_more_in_that_mailbox_whatever_of_it_is_forgotten(
    gone: str, wish: dict[str, str]
) -> None:
    bench = written_to()
    bench.consenting("u2", addresses=OLD)
    bench.advance("8d")
    if gone == "the customer":
        bench.append(EraseRecord(id="e1", key="u1", at=bench.now, body=EraseBody(bench.now)))
    elif gone == "the message":
        drive(bench.store.forget_decided(bench.now, 10))
        bench.knows(addresses=NEW)
    bench.settle()
    app, (letter,) = FastAPI(), bench.adapter.sent
    app.include_router(create_public(bench.desk, FakePersonal(), LINKS, bench.clock, Shop))
    url = letter.rendered.preheader if wish == STOP else letter.one_click_url
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.post(url, data=wish)).status_code == 200
    bench.asks("m2", "u2")
    assert (bench.sent, bench.words[-1]) == (["m1"], "withdrawn")


@pytest.mark.parametrize(("theirs", "channel"), [(OLD, None), (NEW, "email")])
def test_so_do_those_of_a_visitor(theirs: dict[str, str], channel: str | None) -> None:
    bench = written_to("anon:a1")
    bench.knows("u1", addresses=theirs)
    bench.link("anon:a1", "u1")
    assert forgotten(bench, "anon:a1") == [channel, channel]


@pytest.mark.parametrize(
    ("path", "action"), [("p", "preferences"), ("u", "unsubscribe"), ("n", "mute"), ("a", "answer")]
)
async def test_a_link_on_a_page_tells_on_where_the_message_went(path: str, action: str) -> None:
    page, went_to = Page(), AddressBook(b"secret").key("email", "old@example.test")
    grant = Grant(action, "u1", "m_1", "email", "marketing.cart", "abandoned_cart", sent_to=went_to)
    for former in ("email", None):
        page.desk.former_channel = former
        async with httpx.AsyncClient(transport=page.transport, base_url="http://test") as client:
            shown = (await client.get(f"/{path}/{LINKS.token(grant)}")).text
        onward = re.findall(r'"\.\./[pude]/([\w-]+)"', shown)
        assert onward
        assert {LINKS.read(token).sent_to for token in onward} == {went_to}
