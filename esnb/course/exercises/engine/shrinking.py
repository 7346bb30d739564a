"""A failure made small: delta debugging (Zeller and Hildebrandt, 2002)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Case = list[Any]


def shrink(
    case: Case,
    fails: Callable[[Case], bool],
    legal: Callable[[Case], bool] = lambda case: True,
    tidy: Callable[[Case], Case] = lambda case: case,
    budget: int = 200,
) -> Case:
    """A shorter case that still fails, by taking out ever smaller pieces; at most `budget` tries.

    With pieces of one, nothing more can be left out without losing the failure. `tidy` puts numbers
    right after something was taken out; a case that is not `legal` is not tried.
    """
    piece = max(1, len(case) // 2)
    while piece >= 1:
        start, shorter = 0, False
        while start < len(case) and budget > 0:
            less = tidy(case[:start] + case[start + piece :])
            budget -= 1
            if legal(less) and fails(less):
                case, shorter = less, True
            else:
                start += piece
        if piece == 1 and (not shorter or budget <= 0):
            break
        piece = max(1, piece // 2)
    return case
