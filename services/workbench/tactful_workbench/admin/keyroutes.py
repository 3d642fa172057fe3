"""Write keys."""

from __future__ import annotations

from typing import Any

from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.operating.wishes import KeyWish, RateWish


class KeyRoutes:
    """Under `/admin/keys`."""

    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def keys(self) -> dict[str, Any]:
        listed = await self._product.keys.listed()
        return {"keys": [{**key._asdict(), "revoked": revoked} for key, revoked in listed]}

    async def make_key(self, wish: KeyWish) -> dict[str, Any]:
        return {
            "name": wish.name,
            "scope": wish.scope,
            "secret": await self._product.keys.create(wish.name, wish.scope, wish.per_second),
        }

    async def limit_key(self, name: str, wish: RateWish) -> dict[str, Any]:
        await self._product.keys.limit(name, wish.per_second)
        return {"name": name, "per_second": wish.per_second}

    async def revoke_key(self, name: str) -> dict[str, Any]:
        await self._product.keys.revoke(name)
        return {"name": name}
