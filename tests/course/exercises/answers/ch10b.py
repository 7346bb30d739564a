"""Answers to the exercises of chapter 10b."""

NOTEBOOK = "10b_your_own_log"


def _columns(more: str, case: str = "patient", what: str = "what") -> str:
    return (
        f'columns = {{"aggregate_id": "{case}", "event_type": "{what}", "occurred_at": "at", '
        f'"aggregate_type": "PATIENT"{more}}}'
    )


def _counts(*numbers: object) -> str:
    names = (
        "the same file again", "one more row at the end", "the amount of a row corrected",
        "a row that is in it twice", "yesterday's rows are gone",
    )  # fmt: skip
    return f"appended = {dict(zip(names, numbers, strict=True))}"


_PARIS = ', "timezone": "Europe/Paris"'
_LISTED = ', "on_bad": "report"'

RIGHT = {
    "10b-1": [
        _columns(_PARIS + _LISTED),
        _columns(', "timezone": "Europe/Berlin", "on_bad": "report", "data": ["ward"]'),
    ],
    "10b-2": [_counts(0, 1, 1, 1, 1), _counts(0.0, 1, 1.0, 1, 1)],
}

WRONG = {
    "10b-1": {
        "by-utc": _columns(', "timezone": "UTC"' + _LISTED),
        "no-zone": _columns(_LISTED),
        "rows-refused": _columns(_PARIS),
        "not-the-case": _columns(_PARIS + _LISTED, case="ward"),
        "not-the-step": _columns(_PARIS + _LISTED, what="ward"),
    },
    "10b-2": {
        "same-again": _counts(3, 1, 1, 1, 1),
        "counts-all": _counts(0, 4, 1, 1, 1),
        "corrected-is-known": _counts(0, 1, 0, 1, 1),
        "twice-is-once": _counts(0, 1, 1, 0, 1),
        "gone-is-removed": _counts(0, 1, 1, 1, -2),
        "not-five-numbers": "appended = {'the same file again': 0}",
    },
}
