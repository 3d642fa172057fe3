"""To whom messages leave, and whether any do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tactful.durations import ahead
from tactful.errors import InvalidInput
from tactful.settings import names_addresses
from tactful_workbench.admin.changing import change
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.operating.wishes import ResumeWish, SendingWish, StopWish


class Sending:
    """`/admin/sending`, `/admin/stop` and `/admin/resume`."""

    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def sending(self) -> dict[str, Any]:
        settings = self._product.settings.latest
        return {
            "shop": settings.shop.name,
            "unfilled": settings.shop.unfilled,
            "mode": settings.sending.mode,
            "allow": list(settings.sending.allow),
            "rules": {rule.name: settings.rule(rule.name).mode for rule in self._product.loaded.rules},
        }

    async def change_sending(self, wish: SendingWish) -> dict[str, Any]:
        if wrong := [address for address in wish.allow or () if not names_addresses(address)]:
            example = "write anna@myshop.example, *@myshop.example or +34600123456"
            raise InvalidInput("no_address", f'"{wrong[0]}" is no address; {example}. Nothing was changed', "allow")
        await change(self._product, "sending", wish.model_dump(exclude_none=True))
        return await self.sending()

    async def standing(self, counted: bool = False) -> dict[str, Any]:
        standing = await self._product.button.standing()
        zone = self._product.settings.latest.shop.zone
        since = datetime.fromtimestamp(standing.at / 1000, zone).isoformat(timespec="seconds")
        return {**standing._asdict(), "since": since, **(await self._product.button.counted() if counted else {})}

    async def stop(self, wish: StopWish) -> dict[str, Any]:
        await self._product.button.press(wish.by, wish.why)
        return await self.standing()

    async def resume(self, wish: ResumeWish) -> dict[str, Any]:
        await self._product.button.let_go(wish.by, ahead(wish.over))
        return await self.standing()
