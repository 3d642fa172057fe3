"""Shares in words, and how sure one can be of them. Pure."""

from __future__ import annotations

from math import sqrt
from typing import Final

_Z: Final = 1.959964  # 95 %


def percent(share: float) -> str:
    """`5%`, `0.5%`"""
    return f"{100 * share:g}%"


def share_interval(reached: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); `of` is at least 1."""
    share, square = reached / of, _Z**2
    middle, width = share + square / (2 * of), _Z * sqrt(share * (1 - share) / of + square / (4 * of**2))
    return (middle - width) / (1 + square / of), (middle + width) / (1 + square / of)
