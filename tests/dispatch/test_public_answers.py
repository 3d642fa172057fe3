"""The page behind an answer in a message: looking answers nothing, one button sends it, the first answer stands."""

from __future__ import annotations

from typing import Final

import httpx
import pytest
from fakedesk import FakeDesk, FakePersonal
from fastapi import FastAPI

from tactful.clock import ManualClock
from tactful.settings import Shop
from tactful_dispatch.desk import CustomerCard
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.public import create_public
from tactful_dispatch.public.languages import texts_for
from tactful_dispatch.questions import ANSWERS, MOST_WORDS, REASONS

NOW: Final = 1_795_600_000_000
LINKS: Final = Links("http://shop.test", b"0123456789abcdef")
SEND: Final = {"do": "answer"}


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(CustomerCard("u1", {}, None, None, None, (), (), 0, False, ()), NOW)


@pytest.fixture
def client(desk: FakeDesk) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(create_public(desk, FakePersonal(), LINKS, ManualClock(NOW), Shop))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test")


def path(place: int) -> str:
    grant = Grant("answer", "u1", "m_1", "email", "service.complaint", "complaint_followup", place)
    return LINKS.url(grant).removeprefix("http://shop.test")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("place", [0, 1])
async def test_looking_answers_nothing(desk: FakeDesk, client: httpx.AsyncClient, place: int, method: str) -> None:
    assert (await client.request(method, path(place))).status_code == 200
    assert desk.calls == []


async def test_the_page_says_which_answer_its_button_sends(client: httpx.AsyncClient) -> None:
    assert "yes, it is settled" in (await client.get(path(0))).text
    assert "no, not yet" in (await client.get(path(1))).text


@pytest.mark.parametrize(("place", "thanks"), [(0, "Thank you"), (1, "Your complaint is open again")])
async def test_one_button_sends_the_answer_of_the_link(
    desk: FakeDesk, client: httpx.AsyncClient, place: int, thanks: str
) -> None:
    answer = await client.post(path(place), data=SEND)
    assert answer.status_code == 200
    assert thanks in answer.text
    assert desk.calls == [("answer", "m_1", ANSWERS[place], "")]


async def test_whoever_answers_again_is_told_that_the_first_answer_stands(client: httpx.AsyncClient) -> None:
    await client.post(path(0), data=SEND)
    again = (await client.post(path(1), data={**SEND, "text": "It broke again."})).text
    assert "Nothing was sent now, and your first answer stands." in again
    assert "Good to know that it is settled" not in again


# why somebody stays away


async def test_the_reason_of_the_link_is_chosen_already_and_looking_sends_nothing(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    page = (await client.get(path(ANSWERS.index("delivery")))).text
    assert page.count('" checked>') == 1
    assert 'value="delivery" checked' in page
    assert page.count('type="radio"') == len(REASONS)
    assert desk.calls == []


async def test_another_reason_may_be_chosen_on_the_page_and_said_in_own_words(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    form = {**SEND, "reason": "product", "text": "  It broke.  "}
    answer = await client.post(path(ANSWERS.index("delivery")), data=form)
    assert desk.calls == [("answer", "m_1", "product", "It broke.")]
    assert "A person will read it and write to you" in answer.text


async def test_who_hears_from_us_too_often_is_told_how_often_it_will_be(client: httpx.AsyncClient) -> None:
    answer = await client.post(path(ANSWERS.index("too_often")), data=SEND)
    assert "once a month at most" in answer.text


# when to be reminded again


@pytest.mark.parametrize(
    ("given", "says", "thanks"),
    [
        ("in_a_week", "remind me in a week", "We remind you in a week"),
        ("in_a_month", "remind me in a month", "We remind you in a month"),
        ("enough", "I still have enough", "We skip this time"),
        ("no_longer", "I no longer need this", "not write to you about this any more"),
    ],
)
async def test_a_reminder_may_be_put_off_with_one_button(
    desk: FakeDesk, client: httpx.AsyncClient, given: str, says: str, thanks: str
) -> None:
    place = ANSWERS.index(given)
    assert says in (await client.get(path(place))).text
    assert desk.calls == []
    assert thanks in (await client.post(path(place), data=SEND)).text
    assert desk.calls == [("answer", "m_1", given, "")]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_answer_has_its_words_in_every_language(language: str) -> None:
    texts = texts_for(language, None)
    assert set(texts.reasons) == set(REASONS)
    assert set(texts.answer_leads) == set(ANSWERS) - set(REASONS) <= set(texts.answer_thanks)


@pytest.mark.parametrize("words", ["語" * MOST_WORDS, "a\n" * (MOST_WORDS // 2 - 1) + "b."], ids=["script", "lines"])
async def test_what_the_page_has_room_for_arrives_whole(desk: FakeDesk, client: httpx.AsyncClient, words: str) -> None:
    form = {**SEND, "text": words.replace("\n", "\r\n")}  # as browsers send lines
    assert (await client.post(path(ANSWERS.index("other")), data=form)).status_code == 200
    assert desk.calls == [("answer", "m_1", "other", words)]


async def test_words_beyond_measure_are_cut(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    await client.post(path(ANSWERS.index("other")), data={**SEND, "text": "x" * 5000})
    assert desk.calls == [("answer", "m_1", "other", "x" * MOST_WORDS)]


@pytest.mark.parametrize(("link", "reason"), [("settled", "unsettled"), ("settled", "other"), ("other", "settled")])
async def test_a_form_cannot_turn_a_link_into_another_question_s_answer(
    desk: FakeDesk, client: httpx.AsyncClient, link: str, reason: str
) -> None:
    answer = await client.post(path(ANSWERS.index(link)), data={**SEND, "reason": reason})
    assert (answer.status_code, desk.calls) == (400, [])


async def test_a_form_without_the_button_answers_nothing(desk: FakeDesk, client: httpx.AsyncClient) -> None:
    assert (await client.post(path(0), data={"do": "mute"})).status_code == 400
    assert desk.calls == []


async def test_a_link_with_a_flipped_byte_and_one_for_no_answer_there_is_open_nothing(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    right = path(0)
    flipped = right[:-1] + ("A" if right[-1] != "A" else "B")
    for wrong in (flipped, path(99), path(-1)):
        assert (await client.post(wrong, data=SEND)).status_code == 404
    assert desk.calls == []


async def test_a_store_that_is_away_is_said_so_and_the_link_stays_valid(
    desk: FakeDesk, client: httpx.AsyncClient
) -> None:
    desk.closed = True
    answer = await client.post(path(0), data=SEND)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
