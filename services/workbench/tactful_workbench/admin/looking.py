"""What stands in the log, and what keeps a deployment from working."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Query
from fastapi.responses import StreamingResponse

from tactful.errors import InvalidInput
from tactful.records import TOPICS
from tactful_workbench.admin.deployment import Deployment
from tactful_workbench.doctor.findings import examine
from tactful_workbench.operating.dumping import lines, places
from tactful_workbench.operating.tracing import trace


class Looking:
    """`/admin/events` and `/admin/doctor`."""

    def __init__(self, product: Deployment) -> None:
        self._product = product

    async def events(
        self, topics: str = ",".join(TOPICS), latest: int = 0, behind: Annotated[list[str] | None, Query()] = None
    ) -> StreamingResponse:
        """Stored records, as `tactful_workbench.operating.dumping.lines`."""
        wanted = [topic for topic in topics.split(",") if topic]
        if unknown := [topic for topic in wanted if topic not in TOPICS]:
            raise InvalidInput("no_such_topic", f"there is no topic {unknown[0]}; there are: {', '.join(TOPICS)}")
        told = lines(self._product.log, wanted, latest, places(behind or ()))
        return StreamingResponse(told, media_type="application/x-ndjson")

    async def trace(self, event: str, customer: str) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(await trace(self._product.log, customer, event))
        return found

    async def doctor(self) -> dict[str, Any]:
        from tactful_workbench.doctor.outside import Outside  # who never asks a doctor does without DNS

        findings = await examine(self._product, Outside())
        return {"findings": [finding._asdict() for finding in findings]}
