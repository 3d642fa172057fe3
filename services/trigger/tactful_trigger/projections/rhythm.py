"""The days on which a customer orders, and what the latest orders held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from tactful.clock import MINUTE
from tactful.events import Event, OrderCancelled, OrderCompleted, OrderRefunded
from tactful.rhythm import LATEST, Beat, Line, Rhythm, is_gift
from tactful_trigger.projections.versions import FirstVersion

KEPT: Final = 64
OLDER: Final = 1000
LINES: Final = 12  # of one order
RETURNED: Final = 8  # products of one order that came back: sixty such orders are kept


class RhythmProjection(FirstVersion):
    """Implements `tactful.projections.Projection` for `Rhythm`."""

    name = "rhythm"
    state = Rhythm
    events = (OrderCompleted, OrderCancelled, OrderRefunded)

    def fold(self, state: Rhythm, event: Event) -> Rhythm:
        if isinstance(event, OrderCompleted):
            return _with(state, _beat(event))
        if isinstance(event, OrderCancelled) and event.order_id:
            return _with(state, Beat(event.order_id, void=True))
        if isinstance(event, OrderRefunded) and event.order_id:
            return _with(state, _refund(event))
        return state

    def merge(self, mine: Rhythm, theirs: Rhythm) -> Rhythm:
        """The orders of both; one that both know counts once."""
        merged = replace(mine, older=_moments((*mine.older, *theirs.older)))
        for beat in theirs.orders:
            merged = _with(merged, beat)
        return merged


def _beat(event: OrderCompleted) -> Beat:
    products = [product for product in event.products if product.product_id or product.sku]
    gifts = [is_gift(product.category) for product in products]
    lines = tuple(
        Line(product.product_id or product.sku, product.name, product.url, product.image_url, product.category)
        for product in products[:LINES]
    )
    units = sum(max(product.quantity, 0) for product in products)
    gift = bool(gifts) and all(gifts)
    return Beat(event.order_id, event.meta.occurred_at, units, gift, lines=lines, total=_minor(event))


def _refund(event: OrderRefunded) -> Beat:
    """What it says of how much came back; if that is nothing, it is all of the order."""
    pieces: Counter[str] = Counter()
    for product in event.products:
        if name := product.product_id or product.sku:
            pieces[name] += abs(product.quantity)
    count, refunded = pieces.total(), _minor(event)
    void = not (count or refunded)
    return Beat(event.order_id, void=void, returned=_pieces(pieces.items()), pieces=count, refunded=refunded)


def _minor(event: OrderCompleted | OrderRefunded) -> int:
    return abs(event.amount.minor) if event.amount else 0


def _pieces(named: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """One entry a product, with the larger number: news that come twice count once."""
    most: dict[str, int] = {}
    for product, count in named:
        most[product] = max(count, most.get(product, 0))
    return tuple(sorted(most.items()))[:RETURNED]


def _with(state: Rhythm, news: Beat) -> Rhythm:
    old = next((beat for beat in state.orders if news.order_id and beat.order_id == news.order_id), None)
    new = news if old is None else _joined(old, news)
    if new == old:
        return state
    ordered = sorted(
        (*(beat for beat in state.orders if beat is not old), new), key=lambda beat: (beat.at, beat.order_id)
    )
    leaving = [beat.at // MINUTE for beat in ordered[:-KEPT] if beat.at and beat.stands and not beat.gift]
    older = _moments((*state.older, *leaving)) if leaving else state.older
    return Rhythm(older=older, orders=tuple(map(_bare, ordered[-KEPT:-LATEST])) + tuple(ordered[-LATEST:]))


def _joined(one: Beat, other: Beat) -> Beat:
    """What both say of one order; of two that say when it was, the earlier."""
    told = min((beat for beat in (one, other) if beat.at), key=lambda beat: beat.at, default=one)
    return replace(
        told,
        void=one.void or other.void,
        returned=_pieces((*one.returned, *other.returned)),
        pieces=max(one.pieces, other.pieces),
        refunded=max(one.refunded, other.refunded),
    )


def _bare(beat: Beat) -> Beat:
    return replace(beat, lines=()) if beat.lines else beat


def _moments(minutes: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(minutes)))[-OLDER:]
