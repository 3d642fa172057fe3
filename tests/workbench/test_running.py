"""A process that works in vain knows for how long."""

from __future__ import annotations

import asyncio

import pytest

from tactful.errors import StoreUnavailable
from tactful_workbench import running
from tactful_workbench.running import Running, Trouble


class Served:
    """A service over a server that may be away. It has nothing to do but to look."""

    def __init__(self, error: Exception | None) -> None:
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
