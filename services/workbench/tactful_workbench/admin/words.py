"""Words on consent that are no single customer's: the ledger as a whole, and lists of other senders."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import Query

from tactful.channels import known_channel
from tactful.errors import InvalidInput
from tactful_dispatch.state.ledger import broken_at, lacks
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.operating.wishes import SuppressionList

_HEAD: Final = re.compile(r"(\d{1,9}):(\d{1,18}):([0-9a-f]{64})")  # of a partition's chain of consent


class Words:
    """`/admin/consent-ledger` and `/admin/suppressions`."""

    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def verify_ledger(self, seen: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
        """`seen`: partition:entry:hash, as a head was told before."""
        heads = dict(map(_head, seen or ()))
        chains = []
        for partition in range(self._product.log.partitions):
            links = await self._product.dispatch.ledger(partition)
            broken = broken_at(links)
            if broken is None and partition in heads:
                broken = lacks(links, *heads[partition])
            head = links[-1].hash.hex() if links else ""
            told = {"entries": len(links), "whole": broken is None, "broken_at": broken, "head": head}
            chains.append({"partition": partition, **told})
        return {"partitions": chains}

    async def suppress(self, wish: SuppressionList) -> dict[str, Any]:
        for each in wish.addresses:
            known_channel(each.channel, "channel")
        lists = self._product.suppressions
        new = await (lists.take_back if wish.take_back else lists.take)(wish.source, wish.addresses, wish.dry_run)
        return {"new": new, "known": len(wish.addresses) - new}


def _head(text: str) -> tuple[int, tuple[int, bytes]]:
    """Partition, number and hash of its latest entry. Raises InvalidInput."""
    if (told := _HEAD.fullmatch(text)) is None:
        raise InvalidInput("invalid_head", f'"{text}" is no head of a chain; it is partition:entry:hash', "seen")
    return int(told[1]), (int(told[2]), bytes.fromhex(told[3]))
