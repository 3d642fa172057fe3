"""What an event is to a rule: a frozen, typed object, decoded from the canonical properties of a record.

An *act* is something the customer did (a page, a cart, an order); everything else is a *fact* about them. Each class
says which it is: `Run.quiet` waits for the absence of acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, Final

import msgspec

VISITOR: Final = "visitor"  # a server says who a visitor is, of whom a browser has said that they are this customer


class Meta(msgspec.Struct, frozen=True, gc=False):
    """Where an event stands in the world and in the log. Instants in ms since the epoch."""

    id: str = ""
    source: str = ""
    occurred_at: int = 0  # when it happened, by its sender
    appended_at: int = 0  # when the log took it: waits count from here
    scope: str = "server"  # server | browser | system: what the poster's key may do; or VISITOR
    history: bool = False


class Money(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An amount in minor units (cents, kopecks, whole yen) with its currency (ISO 4217). In JSON: `[3990, "EUR"]`."""

    minor: int
    currency: str


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"meta": "$meta"}):
    """Root of all events. The name is the class's name in words unless `title` says otherwise."""

    title: ClassVar[str] = ""
    act: ClassVar[bool] = False
    aliases: ClassVar[tuple[str, ...]] = ()
    spellings: ClassVar[Mapping[str, str]] = {}  # other names of fields on the wire, besides camel case

    meta: Meta = Meta()


class UnknownEvent(Event, frozen=True, kw_only=True):
    """An event outside the vocabulary. It is kept, and can start rules by name. From a browser key it is an act."""

    name: str
    properties: dict[str, Any] = {}


_by_name: Final[dict[str, type[Event]]] = {}
_canonical: Final[dict[str, str]] = {}
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {}


def name_of(event: type[Event] | str) -> str:
    """The name on the wire: `ProductAdded` is `"Product Added"`."""
    return canonical_name(event) if isinstance(event, str) else _title(event)


@cache
def _title(event: type[Event]) -> str:
    return event.title or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", event.__name__)


def vocabulary(classes: Iterable[type[Any]]) -> None:
    """Make the events among some classes known under their names and aliases."""
    for event in classes:
        if not issubclass(event, Event) or event in (Event, UnknownEvent):
            continue
        for name in (name_of(event), *event.aliases):
            _by_name[name] = event
            _canonical[name] = name_of(event)
        _decoders[name_of(event)] = msgspec.json.Decoder(event)


def class_of(name: str) -> type[Event]:
    """The class for a name or alias; UnknownEvent for one outside the vocabulary."""
    return _by_name.get(name, UnknownEvent)


def unread(events: Iterable[type[Event] | str]) -> str:
    """What is wrong with the first class among these into which no event is read; "" if there is none. One that only looks like
    an event of the vocabulary is none of it."""
    for event in events:
        if isinstance(event, str):
            continue
        if not (isinstance(event, type) and issubclass(event, Event)):
            return f"{event!r} is no event; write the class of one, or its name"
        if _by_name.get(_title(event)) is not event:
            own = f'write the name of an event of your own, "{_title(event)}"'
            return f"{event.__name__} is none of tactful.events; {own}"
    return ""


def canonical_name(name: str) -> str:
    """`"Completed Order"` is `"Order Completed"`; an unknown name is itself."""
    return _canonical.get(name, name)


def known_names() -> tuple[str, ...]:
    """Every canonical name of the vocabulary, sorted."""
    return tuple(sorted(_decoders))


def is_act(name: str, scope: str) -> bool:
    """Whether an event is something the customer did. Unknown events are acts when a browser key posted them."""
    event = _by_name.get(name)
    return scope == "browser" if event is None else event.act


def is_fact(name: str) -> bool:
    """Whether an event of the vocabulary is something else than what the customer did."""
    event = _by_name.get(name)
    return event is not None and not event.act


def decode(name: str, properties: msgspec.Raw | bytes, meta: Meta) -> Event:
    """The typed event of a record's canonical properties. Raises msgspec.ValidationError if they are not canonical."""
    decoder = _decoders.get(name)
    event: Event = (
        UnknownEvent(name=name, properties=msgspec.json.decode(properties))
        if decoder is None
        else decoder.decode(properties)
    )
    msgspec.structs.force_setattr(event, "meta", meta)
    return event
