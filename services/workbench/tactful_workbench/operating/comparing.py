"""Whether two shares differ, or chance alone could make it look so. Pure."""

from __future__ import annotations

from math import sqrt

from tactful.shares import share_interval


def difference_interval(reached: int, of: int, reached_without: int, of_without: int) -> tuple[float, float] | None:
    """The 95 % interval of what the first share is above the second (Newcombe 1998, Statistics in Medicine 17:873, method
    10); None while one of the two groups is empty. An interval that holds 0 does not decide."""
    if not of or not of_without:
        return None
    share, share_without = reached / of, reached_without / of_without
    low, high = share_interval(reached, of)
    low_without, high_without = share_interval(reached_without, of_without)
    difference = share - share_without
    return (
        difference - sqrt((share - low) ** 2 + (high_without - share_without) ** 2),
        difference + sqrt((high - share) ** 2 + (share_without - low_without) ** 2),
    )
