"""Mutants of right answers that are right as well, each with the reason."""

EQUIVALENT: dict[str, dict[str, str]] = {}
