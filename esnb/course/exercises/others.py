"""Other right solutions, to compare with one's own once it is right."""

from __future__ import annotations

import functools
import importlib
import pkgutil

_PACKAGE = "esnb.course.exercises.bank.other_solutions"


@functools.cache
def _tables() -> dict[str, tuple[tuple[str, str], ...]]:
    package = importlib.import_module(_PACKAGE)
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        found |= importlib.import_module(f"{_PACKAGE}.{module.name}").OTHERS
    return found


def others_for(exercise: str) -> tuple[tuple[str, str], ...]:
    """Title and code of other solutions, at most two; none where the answer is a value."""
    return tuple((f"Another way: {title}", code) for title, code in _tables().get(exercise, ()))
