"""The engine's errors about a read database: damage, a full disk, a closed file, a wrong query.

Damage must never be taken for an event that cannot be processed: who then parks the event leaves
out one fact after the other, and none of them is to blame.
"""

from __future__ import annotations

import re

import duckdb

from esnb.errors import EsnbError, QueryError, StoreClosedError, StoreCorruptError, StoreFullError

_FILE_ERRORS = (
    duckdb.IOException,
    duckdb.InternalException,
    duckdb.FatalException,
    duckdb.SerializationException,
)
_DAMAGE = re.compile(r"orrupt|checksum|invalidated|not read enough|deserializ", re.IGNORECASE)
# The engine's words for a file that cannot be opened although nothing in it is damaged.
_NOT_DAMAGED = (
    "Could not set lock",
    "used by another process",
    "different configuration",
    "Permission denied",
    "No space left",
    "version number",
)


def is_damage(error: BaseException | None) -> bool:
    """Does an error, or one behind it, say that the database file is damaged?"""
    while error is not None:
        # A checksum that does not fit comes as the bare class.
        if type(error) is duckdb.Error or isinstance(error, _FILE_ERRORS):
            text = str(error)
            return bool(_DAMAGE.search(text)) and "No space left" not in text
        error = error.__cause__ or error.__context__
    return False


def opens_later(error: duckdb.Error) -> bool:
    """Is a file that cannot be opened sound all the same?"""
    return any(words in str(error) for words in _NOT_DAMAGED)


def damaged(name: str, error: object = "") -> StoreCorruptError:
    """The error of a projection whose read database is damaged."""
    words = f" The engine says: {str(error)[:200]}" if str(error) else ""
    return StoreCorruptError(
        f"The read database of {name} is damaged. No event is to blame, and the log is not in this "
        f"file: rebuild() puts the file aside and derives the read model again.{words}"
    )


def explained(error: duckdb.Error, name: str) -> EsnbError:
    """An error of the engine about the read database of a projection, as one of `errors.py`."""
    text = re.sub(r"^\w+ Error: ", "", str(error).strip())
    if isinstance(error, duckdb.ConnectionException) and "closed" in text:
        return StoreClosedError(
            f"The read database of {name} is closed. Make a new Projector: it goes on where this "
            f"one stopped."
        )
    if "No space left" in text:
        return StoreFullError(
            f"The disk is full: the read database of {name} cannot grow. What was committed is "
            f"there. Free some space, and call again. The engine says: {text[:200]}"
        )
    if is_damage(error):
        return damaged(name, text)
    return QueryError(text)
