"""From the stored line of a customer's history to a row for the timeline.

What came from the log is stored as its whole record; what the engine itself did is stored as a small object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tactful.records import EventRecord
from tactful_console.history import HistoryRow

FROM_THE_LOG: Final = frozenset({"event", "decided", "receipt", "consent", "preferences"})
_IDS: Final = ("cart_id", "checkout_id", "order_id", "ticket_id")
_WORDS: Final = ("subject", "query", "answer", "reason", "url", "by")
_MOST: Final = 80  # characters

_decode = msgspec.json.Decoder(EventRecord).decode


def history_row(
    customer: str, at: int, offset: int, index: int, kind: str, rule: str, run: str, data: bytes
) -> HistoryRow:
    """A row for the timeline. Raises msgspec.DecodeError if `data` is not what the engine stores under this kind."""
    if kind not in FROM_THE_LOG:
        return HistoryRow(customer, at, offset, index, kind, rule, run, msgspec.json.decode(data))
    record = _decode(data)
    properties: dict[str, Any] = msgspec.json.decode(record.body.properties)
    told: dict[str, Any] = {"name": record.body.name, "id": record.id, "source": record.body.source}
    if kind == "event":
        told |= {"about": about(properties), "properties": properties, "occurred_at": record.body.occurred_at}
        told |= {"history": True} if record.body.history else {}
    else:
        told = properties | told
    return HistoryRow(
        customer, at, offset, index, kind, rule or _text(properties, "rule"), run or _text(properties, "run_id"), told
    )


def about(properties: Mapping[str, Any]) -> str:
    """What an event is about in a few words: `c1  Blue kettle`."""
    parts = [_text(properties, key) for key in _IDS]
    parts.append(_things(properties))
    parts += [_text(properties, key) for key in _WORDS]
    words = "  ".join([part for part in parts if part][:2])
    return words if len(words) <= _MOST else words[: _MOST - 1] + "…"


def _things(properties: Mapping[str, Any]) -> str:
    products = properties.get("products")
    if not isinstance(products, list) or not products:
        return _text(properties, "name") or _text(properties, "product_id")
    first = products[0] if isinstance(products[0], dict) else {}
    named = _text(first, "name") or _text(first, "product_id") or "1 product"
    return named if len(products) == 1 else f"{named} and {len(products) - 1} more"


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
