"""Where records go, and in which order: consent first, then links, then the events that told of them, and then that a feed is
complete."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tactful.clock import MINUTE
from tactful.events import Alias
from tactful.identity import anonymous
from tactful.log import Log
from tactful.log.partitioning import partition_of
from tactful.records import (
    DISPATCH,
    EVENTS,
    QUARANTINE,
    EventRecord,
    LinkBody,
    LinkRecord,
    MergeBody,
    MergeRecord,
    Record,
    encode,
)
from tactful_ingest.admission import ALIAS
from tactful_ingest.ids import link_id
from tactful_ingest.intake import Intake

TOLD_AGAIN: Final = MINUTE  # then a link is told anew: another process may have linked the visitor to somebody else


class _Told(NamedTuple):
    customer: str
    at: int


class Placement:
    """Appends what a request brought. Each step waits for the log's acknowledgement before the next begins.

    A link may be appended and its event not: that is harmless, and the client posts the event again.
    """

    def __init__(self, log: Log, links_remembered: int) -> None:
        self._log, self._room = log, links_remembered
        self._linked: OrderedDict[str, _Told] = OrderedDict()  # by anonymous customer

    async def store(self, intake: Intake) -> None:
        """Returns once everything is durable. Raises LogUnavailable: then the client posts the whole request again."""
        await self._append(DISPATCH, intake.consents)
        await self._append_events(intake.events)
        await self._append(EVENTS, intake.feeds)
        await self._append(QUARANTINE, intake.quarantined)

    async def _append_events(self, events: Sequence[EventRecord]) -> None:
        links = self._new_links(events)
        if not links:
            await self._append(EVENTS, events)
            return
        # The anonymous side first, in its own order: it must hear of the customer before its timers can pass the news.
        await self._append(EVENTS, _with_links(events, links))
        await self._append(EVENTS, [event for event in events if event.body.user_id])
        self._remember(links)

    def _new_links(self, events: Sequence[EventRecord]) -> dict[int, list[Record]]:
        """Links and merges by the position of the event that tells of them."""
        links: dict[int, list[Record]] = {}
        told: dict[str, str] = {}
        for index, event in enumerate(events):
            user = event.body.user_id
            if user is None:
                continue
            if event.body.name == ALIAS:
                link, merge = _merge(event, user)
                links.setdefault(index, []).extend((link, merge))
                told[link.key] = user
            if event.body.anonymous_id is None:
                continue
            stranger = anonymous(event.body.anonymous_id)
            if told.get(stranger, self._last_told(stranger, event.at)) != user:
                links.setdefault(index, []).append(_link(stranger, user, event.at))
            told[stranger] = user
        return links

    def _last_told(self, stranger: str, now: int) -> str | None:
        last = self._linked.get(stranger)
        return last.customer if last is not None and 0 <= now - last.at < TOLD_AGAIN else None

    def _remember(self, links: dict[int, list[Record]]) -> None:
        for link in (record for records in links.values() for record in records if isinstance(record, LinkRecord)):
            self._linked[link.key] = _Told(link.body.customer, link.at)
            self._linked.move_to_end(link.key)
        while len(self._linked) > self._room:
            self._linked.popitem(last=False)

    async def _append(self, topic: str, records: Sequence[Record]) -> None:
        if records:
            count = self._log.partitions
            await self._log.append(topic, [(partition_of(record.key, count), encode(record)) for record in records])


def _with_links(events: Sequence[EventRecord], links: dict[int, list[Record]]) -> list[Record]:
    side: list[Record] = []
    for index, event in enumerate(events):
        side += links.get(index, ())
        if event.body.user_id is None:
            side.append(event)
    return side


def _link(stranger: str, user: str, at: int) -> LinkRecord:
    return LinkRecord(id=link_id(stranger, user), key=stranger, at=at, body=LinkBody(user))


def _merge(alias: EventRecord, user: str) -> tuple[LinkRecord, MergeRecord]:
    """The other id may be an anonymous one or that of a customer who has another account: only trigger can tell."""
    previous = msgspec.json.decode(alias.body.properties, type=Alias).previous_id
    merge = MergeRecord(id=link_id(previous, user), key=previous, at=alias.at, body=MergeBody(user))
    return _link(anonymous(previous), user, alias.at), merge
