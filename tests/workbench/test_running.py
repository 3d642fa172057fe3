"""Services beside each other in one process, and for how long one works in vain."""

from __future__ import annotations

import asyncio

import pytest

from tactful.errors import StoreUnavailable
from tactful_workbench.process import running
from tactful_workbench.process.running import Running, Trouble


class Waiting:
    """A round of it lasts as long as a provider does not answer."""

    def __init__(self) -> None:
        self.asked, self.answered, self.rounds = asyncio.Event(), asyncio.Event(), 0

    async def round(self) -> bool:
        self.asked.set()
        await self.answered.wait()
        self.rounds += 1
        return True

    async def pause(self) -> None:
        """There is always more."""


class Busy(Waiting):
    """Never waits for anybody, and says after three rounds that it goes on."""

    async def round(self) -> bool:
        self.rounds += 1
        if self.rounds == 3:
            self.answered.set()
        return True


async def test_a_service_that_waits_for_a_provider_keeps_no_other_from_its_rounds() -> None:
    waiting, busy = Waiting(), Busy()
    process = Running(waiting, busy, arrivals=lambda: 0)
    process.start()
    await waiting.asked.wait()
    await asyncio.wait_for(busy.answered.wait(), 5)
    assert waiting.rounds == 0
    waiting.answered.set()
    await process.stop()


async def test_whoever_has_the_floor_has_them_all_stand_still() -> None:
    waiting, busy = Waiting(), Busy()
    process = Running(waiting, busy, arrivals=lambda: 0)
    process.start()
    await waiting.asked.wait()
    waiting.answered.set()
    async with process.floor():
        before = waiting.rounds, busy.rounds
        assert before[0] > 0
        for _ in range(10):
            await asyncio.sleep(0)
        assert (waiting.rounds, busy.rounds) == before
    await process.stop()


class Served:
    """A service over a server that may be away. It has nothing to do but to look."""

    def __init__(self, error: BaseException | None) -> None:
        self.error, self.looked = error, asyncio.Event()

    async def round(self) -> bool:
        self.looked.set()
        if self.error is not None:
            raise self.error
        return False

    async def pause(self) -> None:
        await asyncio.sleep(0)

    async def looks_again(self) -> None:
        for _ in range(2):  # what came of the first look is noted before the second one
            self.looked.clear()
            await self.looked.wait()


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("a bug")])
async def test_rounds_that_fail_one_after_the_other_are_one_trouble_and_the_first_that_does_not_ends_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RETRY", 0)
    seconds = [100.0]
    service, trouble = Served(error), Trouble(lambda: seconds[0])
    process = Running(service, arrivals=lambda: 0, trouble=trouble)
    process.start()
    await service.looks_again()
    seconds[0] += 180
    await service.looks_again()
    assert trouble.lasts() == 180
    service.error = None
    await service.looks_again()
    assert trouble.lasts() == 0
    await process.stop()


class Foreign(BaseException):
    """What a library raises that takes itself for the interpreter."""


@pytest.mark.parametrize("error", [Foreign("gone"), asyncio.CancelledError()])
async def test_a_service_goes_on_whatever_foreign_code_raises_in_a_round(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(running, "RETRY", 0)
    service = Served(error)
    process = Running(service, arrivals=lambda: 0)
    process.start()
    await asyncio.wait_for(service.looks_again(), 5)
    service.error = None
    await asyncio.wait_for(service.looks_again(), 5)
    assert "Served failed; trying again" in caplog.messages
    await process.stop()
