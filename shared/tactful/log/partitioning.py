"""Which partition a key belongs to: computed by us and given to the log explicitly.

Kafka's own murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`), so that foreign producers agree.
"""

from __future__ import annotations

from functools import lru_cache

_SEED, _M, _MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash of Kafka's default partitioner, unsigned."""
    length = len(data)
    h = (_SEED ^ length) & _MASK
    full = length & ~3
    for i in range(0, full, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if tail := data[full:]:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a customer's (or product's) key."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
