"""Names derived from what they stand for, so that a repeat has the same name and cannot act twice.

The parts of a name are hashed as a JSON list, so that no part can pretend to be two.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode
_EIGHT_BYTES: Final = blake2b(digest_size=8)  # copied for each event, which takes less than to set one up
ANONYMOUS: Final = "anon:"  # begins the name of a customer whom nobody knows yet; no known id may begin so


def digest(*parts: str, size: int = 12) -> str:
    """A hex name of `2 * size` characters for an ordered tuple of strings."""
    return blake2b(_encode(parts), digest_size=size).hexdigest()


def fingerprint(value: Any) -> str:
    """Sixteen hex characters that differ when the value's JSON does."""
    return blake2b(_encode(value), digest_size=8).hexdigest()


def event_hash(source: str, event_id: str) -> bytes:
    """Eight bytes by which a customer's row remembers an event of the last 48 hours."""
    hashed = _EIGHT_BYTES.copy()
    hashed.update(_encode((source, event_id)))
    return hashed.digest()


def run_id(rule: str, subject: str, key: str, event_source: str, event_id: str) -> str:
    """One occurrence of a rule. Knows nothing of the rule's version: a redeploy cannot send twice."""
    return "r_" + digest("run", rule, subject, key, event_source, event_id)


def message_id(run: str, generation: int, nth_send: int) -> str:
    """The n-th send of one generation of a run."""
    return "m_" + digest("message", run, str(generation), str(nth_send))


def anonymous(id: str) -> str:
    """The name of the customer behind an anonymous id. It is never the name of a known one, whatever a client writes."""
    return ANONYMOUS + id


def is_anonymous(customer: str) -> bool:
    """Whether a customer's name is that of somebody whom nobody knows yet."""
    return customer.startswith(ANONYMOUS)


def fraction(*parts: str) -> float:
    """A number in [0, 1) that is the same for the same parts for ever: draws holdouts, variants and roll-outs."""
    return int.from_bytes(blake2b(_encode(parts), digest_size=7).digest()) / 2**56
