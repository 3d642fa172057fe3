"""The partition of a key, the same as Kafka's own clients compute."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.log.partitioning import murmur2, partition_of


# Expected values: `UtilsTest.testMurmur2` of Apache Kafka (signed 32 bits there).
@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_kafkas(text: str, signed: int) -> None:
    assert murmur2(text.encode()) == signed & 0xFFFFFFFF


@given(st.text(), st.integers(1, 64))
def test_every_key_has_one_partition_that_exists(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_customers_spread_evenly() -> None:
    counts = Counter(partition_of(f"customer-{number}", 4) for number in range(20_000))
    assert len(counts) == 4
    assert max(counts.values()) < 1.1 * min(counts.values())
