"""What every shelf keeps: letters in the order they came, each message once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tactful.errors import StoreTooNew
from tactful.sqlite import Database
from tactful_dispatch.channels.inbox import Letter, MemoryShelf, Shelf
from tactful_dispatch.channels.sqlite_shelf import MIGRATIONS, SqliteShelf

LETTER: Final = Letter(
    message_id="m_1",
    customer="u1",
    channel="email",
    address="uma@example.test",
    sender="Лавка <hello@shop.example>",
    subject="Your kettle",
    preheader="Saved for you",
    html="<p>\x00 ☕ 😀</p>",
    text="line\r\nline\n",
    at=1_795_000_000_000,
    headers={"Subject": "Your kettle", "X-Shop": "ü"},
)


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[Shelf]:
    yield MemoryShelf()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Shelf]:
    database = await Database.open(folder / "inbox.db")
    yield await SqliteShelf.open(database)
    await database.close()


@pytest.fixture(params=[memory, sqlite])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with request.param(tmp_path) as made:
        yield made


async def test_a_letter_comes_back_as_it_was_put_with_its_number(shelf: Shelf) -> None:
    assert await shelf.put(LETTER) == 1
    assert await shelf.letter(1) == replace(LETTER, number=1)


async def test_letters_are_numbered_as_they_come_and_listed_latest_first(shelf: Shelf) -> None:
    numbers = [await shelf.put(replace(LETTER, message_id=f"m_{index}")) for index in range(3)]
    assert numbers == [1, 2, 3]
    assert [letter.message_id for letter in await shelf.letters()] == ["m_2", "m_1", "m_0"]


async def test_the_same_message_again_keeps_its_first_letter_and_number(shelf: Shelf) -> None:
    await shelf.put(LETTER)
    await shelf.put(replace(LETTER, message_id="m_2"))
    assert await shelf.put(replace(LETTER, subject="Another")) == 1
    assert [letter.subject for letter in await shelf.letters()] == ["Your kettle", "Your kettle"]


async def test_only_as_many_letters_are_listed_as_were_asked_for(shelf: Shelf) -> None:
    for index in range(5):
        await shelf.put(replace(LETTER, message_id=f"m_{index}"))
    assert [letter.number for letter in await shelf.letters(2)] == [5, 4]
    assert await shelf.letters(0) == []


@pytest.mark.parametrize("number", [-1, 0, 1, 10**30])
async def test_a_letter_that_never_came_is_none(shelf: Shelf, number: int) -> None:
    assert await shelf.letter(number) is None
    assert await shelf.letters() == []


async def test_letters_outlive_the_process(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as shelf:
        await shelf.put(LETTER)
    async with sqlite(tmp_path) as shelf:
        assert await shelf.letter(1) == replace(LETTER, number=1)
        assert await shelf.put(replace(LETTER, message_id="m_2")) == 2


async def test_a_shelf_of_a_newer_program_is_refused_by_name(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "inbox.db")
    await database.migrate("inbox", [*MIGRATIONS, "SELECT 1"])
    with pytest.raises(StoreTooNew, match="inbox"):
        await SqliteShelf.open(database)
    await database.close()


async def test_the_letters_of_an_erased_customer_go_and_their_numbers_are_not_given_again(shelf: Shelf) -> None:
    for number, customer in enumerate(("u1", "u2", "u1"), start=1):
        await shelf.put(replace(LETTER, message_id=f"m_{number}", customer=customer))
    for _ in range(2):
        await shelf.erase(["u1"])
    assert [(letter.number, letter.customer) for letter in await shelf.letters()] == [(2, "u2")]
    assert await shelf.put(replace(LETTER, message_id="m_4", customer="u3")) == 4
