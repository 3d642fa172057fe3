"""A message to the operators themselves, which shows that everything between the door and a mailbox works."""

from __future__ import annotations

from typing import Any

from tactful import Run, rule


@rule(on="Canary Sent", repeat="parallel", purpose="service.canary", version=1)
async def canary(run: Run, first: Any) -> str:
    """What `tactful smoke` asks for: say so at once, by e-mail. It is one of the shop's own, so no gate is opened for it."""
    message = await run.send("email", "canary", event=first.meta.id, expires=run.param("expires", "10m"))
    return "sent" if message else message.reason or "refused"
