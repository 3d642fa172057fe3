"""From a posting to a record, or to the reason why there is none. No I/O, no clock."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.clock import DAY
from tactful.errors import InvalidInput
from tactful.events.instants import instant
from tactful.events.model import canonical_name
from tactful.events.own import FEED
from tactful.events.wire import canonical
from tactful.identity import anonymous as anonymous_name
from tactful.records import ConsentRecord, EventBody, EventRecord
from tactful_ingest import consent
from tactful_ingest.door import Visit, unshifted
from tactful_ingest.ids import content_id, customer_id, known_id, message_id
from tactful_ingest.posting import Posting
from tactful_ingest.times import occurred_at
from tactful_ingest.traits import identify_properties

# Said by dispatch alone. From outside they would be taken for the truth about a message.
RESERVED: Final = frozenset(
    {
        "Message Decided",
        "Message Delivered",
        "Message Opened",
        "Message Clicked",
        "Message Replied",
        "Message Bounced",
        "Message Complained",
        "Hold Opened",
        "Preferences Changed",
        "Step Finished",
        "Customer Recognised",
        "Story Read",
        "Address Reopened",
    }
)
ALIAS: Final = "Alias"
BROWSER: Final = "browser"
KEY_SCOPE: Final = "key_scope"
# What a shop knows and a page only claims: with the key that everybody can read, anybody could post it of anybody.
_FORBIDDEN: Final = {
    consent.NAME: "change consent",
    ALIAS: "merge customers",
    "Customer Flagged": "say who must not be written to",
    "Complaint Closed": "close a complaint",
    "Contact Made": "say who else spoke to a customer",
    "Shipment Delivered": "say that a parcel came",
    "Product Back In Stock": "say what the shop has",
    "Product Price Changed": "say what the shop asks",
    FEED: "say that a feed is complete",
    "Canary Sent": "have a message sent that no gate holds back",
}
# Of words about a state the same again is news if another one came between, and who calls a customer on two days has spoken to
# them twice; a repeat among them does no harm.
_STATES: Final = frozenset(
    {
        consent.NAME,
        "Identify",
        "Customer Flagged",
        "Cart Updated",
        "Order Updated",
        "Product Back In Stock",
        "Product Price Changed",
        "Complaint Opened",
        "Complaint Closed",
        "Complaint Reopened",
        "Contact Made",
    }
)
# What holds now, whenever it is said.
_LASTING: Final = frozenset({"Identify", "Group", "Customer Flagged"})
_LONGEST_NAME: Final = 255
_NOTHING: Final = msgspec.Raw(b"{}")


def admit(posting: Posting, visit: Visit) -> EventRecord | ConsentRecord | None:
    """The record to append; None if its customer allows nothing to be stored. Raises InvalidInput."""
    try:
        return _admit(posting, visit)
    except InvalidInput as error:
        raise _in_senders_words(error, posting.root) from None


def _admit(posting: Posting, visit: Visit) -> EventRecord | ConsentRecord | None:
    name = _name(posting, visit.key.scope)
    if name == consent.NAME:
        return _consent(posting, visit)
    if consent.denies_storage(posting.context):
        return None
    return _event(name, posting, visit)


def _event(name: str, posting: Posting, visit: Visit) -> EventRecord:
    user, anonymous = _customers(posting)
    key = user or (anonymous_name(anonymous) if anonymous else FEED if name == FEED else None)
    if key is None:
        raise InvalidInput(
            "no_customer", f"an event needs a {posting.user_field} or an anonymous id", posting.user_field
        )
    given = _properties(name, posting, user)
    name, properties = canonical(name, given, visit.currency)
    told, history = instant(posting.told), _is_history(posting, visit)
    if history and told is not None and name not in _LASTING and not _is_past(told, visit):
        # Dated to now a parcel that never came would be delivered.
        raise InvalidInput("wrong_value", "what is imported has happened, and this is to come", "timestamp")
    body = EventBody(
        name=name,
        source=posting.source,
        occurred_at=_happened(told, history, posting, visit),
        scope=visit.key.scope,
        user_id=user,
        anonymous_id=anonymous,
        history=history,
        properties=msgspec.Raw(properties),
        context=_context(posting, told),
    )
    id = message_id(posting.message_id, posting.id_field) or _said_id(
        posting, visit, name, user, anonymous, msgspec.json.decode(properties), posting.context
    )
    return EventRecord(id=id, key=key, at=visit.received, body=body)


def _consent(posting: Posting, visit: Visit) -> ConsentRecord:
    """Nothing of it goes to `events`: dispatch keeps the ledger and tells what came of it."""
    user, anonymous = _customers(posting)
    key = user or (anonymous_name(anonymous) if anonymous else None)
    if key is None:
        raise InvalidInput("no_customer", f"consent needs a {posting.user_field}", posting.user_field)
    properties = _object(posting)
    told, history = instant(posting.told), _is_history(posting, visit)
    happened = _happened(told, history, posting, visit)
    body = consent.consent_body(properties, posting.source, happened, history=history)
    if history and body.state != "withdrawn" and (told is None or not _is_past(told, visit)):
        # Dated to now it would undo an opt-out, and an erasure.
        raise InvalidInput("wrong_value", "an imported grant has to say when it was given, which is past", "timestamp")
    id = message_id(posting.message_id, posting.id_field) or _said_id(posting, visit, consent.NAME, key, properties)
    return ConsentRecord(id=id, key=key, at=visit.received, body=body)


def _happened(told: int | None, history: bool, posting: Posting, visit: Visit) -> int:
    """When it happened (ms). The dates of an import (`history`) are those of its file, and not by a client's clock."""
    client_time = unshifted if history else visit.door.client_time
    return occurred_at(told, instant(posting.sent), visit.received, client_time)


def _is_history(posting: Posting, visit: Visit) -> bool:
    return visit.key.scope != BROWSER and posting.context.get("history") is True


def _is_past(told: int, visit: Visit) -> bool:
    """Whether a time is not to come, give or take a day: it may have been written in another zone than it was read in."""
    return told <= visit.received + DAY


def _name(posting: Posting, scope: str) -> str:
    given, field = posting.name, posting.name_field
    if not isinstance(given, str) or not given.strip():
        raise InvalidInput("missing_name", "an event has a name, a string that is not empty", field)
    if len(given) > _LONGEST_NAME:
        raise InvalidInput("name_too_long", f"an event's name has at most {_LONGEST_NAME} characters", field)
    name = canonical_name(given.strip())
    if name in RESERVED:
        raise InvalidInput("reserved_event", f'"{name}" is said by Tactful itself and taken from nobody else', field)
    if scope == BROWSER and name in _FORBIDDEN:
        raise InvalidInput(KEY_SCOPE, f"a browser key may not {_FORBIDDEN[name]}; use a server key")
    return name


def _customers(posting: Posting) -> tuple[str | None, str | None]:
    """The known id and the anonymous one. Beside a known customer a meaningless anonymous id is dropped, not linked."""
    user = known_id(posting.user_id, posting.user_field)
    try:
        anonymous = customer_id(posting.anonymous_id, "anonymousId")
    except InvalidInput as error:
        if user is None or error.code != "placeholder_id":
            raise
        anonymous = None
    return user, anonymous


def _properties(name: str, posting: Posting, user: str | None) -> dict[str, Any]:
    if name == "Identify":
        return identify_properties(posting.properties, posting.context)
    return _alias(_object(posting), posting, user) if name == ALIAS else _object(posting)


def _alias(given: dict[str, Any], posting: Posting, user: str | None) -> dict[str, Any]:
    """Two different ids, of which the first may be anonymous; as ids are, without space around them."""
    previous = known_id(given.get("previous_id", given.get("previousId")), "previousId")
    if user is None or previous is None or previous == user:
        raise InvalidInput("no_customer", f"an alias names two ids: previousId and {posting.user_field}", "previousId")
    return {**given, "previous_id": previous}


def _object(posting: Posting) -> dict[str, Any]:
    if posting.properties is None:
        return {}
    if not isinstance(posting.properties, dict):
        raise InvalidInput("wrong_type", f"{posting.root} must be an object", posting.root)
    return posting.properties


def _in_senders_words(error: InvalidInput, root: str) -> InvalidInput:
    field, message = error.field, error.message
    if field is not None and field.partition(".")[0] == "properties":
        ours, field = field, root + field.removeprefix("properties")
        message = field + message.removeprefix(ours) if message.startswith(ours) else message
    return InvalidInput(error.code, message, field)


def _context(posting: Posting, told: int | None) -> msgspec.Raw:
    """The context as JSON. A time that nobody could read is kept there, since the arrival stands in its place."""
    context = posting.context
    if told is None and posting.told is not None:
        context = {**context, "unreadableTime": posting.told}
    return msgspec.Raw(msgspec.json.encode(context)) if context else _NOTHING


def _said_id(posting: Posting, visit: Visit, name: str, *said: Any) -> str:
    """The id of an event that came without one: a hash of what was said, whatever the order of its fields, and of when. `sent` is no part
    of it, since a second attempt changes that. An event that tells no time counts as said on the day on which it came; if it is about a
    state, each arrival counts as another one."""
    when: list[Any] = [posting.told]
    if posting.told is None:
        when = [visit.received, next(visit.door.words)] if name in _STATES else [visit.received // DAY]
    text = msgspec.json.encode([when, name, *said], order="deterministic").decode()
    return content_id(posting.source, text)
