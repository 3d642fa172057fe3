"""The projections that ship."""

from typing import Any, Final

from tactful.projections import Projection
from tactful_trigger.projections.cart import CartProjection
from tactful_trigger.projections.engagement import EngagementProjection
from tactful_trigger.projections.orders import OrdersProjection
from tactful_trigger.projections.profile import ProfileProjection
from tactful_trigger.projections.rhythm import RhythmProjection
from tactful_trigger.projections.segments import SegmentsProjection
from tactful_trigger.projections.session import SessionProjection
from tactful_trigger.projections.tickets import TicketsProjection

SHIPPED: Final[tuple[Projection[Any], ...]] = (
    ProfileProjection(),
    CartProjection(),
    OrdersProjection(),
    TicketsProjection(),
    EngagementProjection(),
    SessionProjection(),
    RhythmProjection(),
    SegmentsProjection(),
)
OURS: Final = frozenset(projection.name for projection in SHIPPED)
