"""A ladder of channels: the quietest first, the next one only if the customer did not react."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tactful.durations import Duration, milliseconds
from tactful.operations import Data, Message
from tactful.run import Run

_LOUD = ("sms", "call")


class Ladder:
    """An ordinary helper over `send` and `engaged`. Each rung is (channel, patience).

    A refusal of scope `customer` ends it; one of scope `channel` goes to the next rung: at once for the quiet channels,
    but SMS and calls never come earlier than if every earlier rung had been sent. An unknown outcome counts as sent and
    never climbs to SMS or a call. Whoever notices an earlier message while a later one waits has noticed.
    """

    begun: datetime  # when its first message was sent; while none was, when the climb began
    reached: bool = False  # whether anything was sent, or may have been

    def __init__(
        self,
        *rungs: tuple[str, Duration],
        expires: Mapping[str, Duration] | None = None,
        until: datetime | None = None,
        quiet: Duration = "0s",
    ) -> None:
        """`expires`: for a channel, how long after it was asked for a message is too old to send. `until`, in its place: from when on
        none is sent, on whichever channel. `quiet`: how long the customer has to have done nothing before the next rung follows a
        message."""
        self._expires, self._until, self._quiet = expires or {}, until, quiet
        self._rungs = tuple((channel, milliseconds(patience)) for channel, patience in rungs)

    async def climb(
        self, run: Run, template: str, data: Data | Mapping[str, Data] | None = None, *, variant: str | None = None
    ) -> str:
        """Why it ended, fit for a page: `engaged on push`, `no_consent`, `nobody to reach`, `no reaction`. `data` may be another
        one for each channel."""
        waited, doubtful = 0, False
        earlier: list[Message] = []
        self.begun, self.reached = run.now, False
        for number, (channel, patience) in enumerate(self._rungs, start=1):
            loud = channel in _LOUD
            if loud and doubtful:
                return f"outcome unknown: not climbing to {channel}"
            not_before = self.begun + timedelta(milliseconds=waited) if loud else None
            left = None if self._until is None else self._until - max(run.now, not_before or run.now)
            if left is not None and left <= timedelta():
                break
            about = data.get(channel) if isinstance(data, Mapping) else data
            expires = self._expires.get(channel) if left is None else left
            message = await run.send(channel, template, about, not_before=not_before, expires=expires, variant=variant)
            waited += patience
            if not message:
                if message.scope == "customer":
                    return message.reason or "refused"
                continue
            if not self.reached:
                self.begun = message.decided_at
            self.reached, doubtful = True, doubtful or message.unknown
            quiet = self._quiet if number < len(self._rungs) else "0s"
            if await message.engaged(within=timedelta(milliseconds=patience), quiet=quiet, earlier=earlier):
                return f"engaged on {' or '.join(sent.channel for sent in (*earlier, message))}"
            earlier.append(message)
        return "no reaction" if self.reached else "nobody to reach"
