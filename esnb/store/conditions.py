"""Append conditions: a rule that spans streams, guarded at the moment of writing.

An expected version guards one stream. A rule such as "each voucher once" looks at events of many
streams, and needs a guard over just those: a dynamic consistency boundary. Source of the technique:
Sara Pellegrini, *Killing the Aggregate* (2023), and the DCB specification that grew out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from esnb.errors import InvalidEventError
from esnb.events import Event

_KEY = r"[A-Za-z_][A-Za-z0-9_]*(\[\*\])?"
_PATH = re.compile(rf"{_KEY}(\.{_KEY})*")

#: What a value in event data is compared with.
Wanted = str | int


@dataclass(frozen=True, slots=True)
class AppendCondition:
    """Refuse the append when an event that matches was stored after the position `after`.

    An event matches when its type is one of `event_types` (none given: any type), when each key of
    `where` has exactly this value in its data (text, whole number, True or False), and when it is
    in the stream `aggregate_id`, if one is named. A dot in a key goes one level down, and
    `items[*].sku` means: in any of the items. Several values, `{"tags[*]": ["a", "b"]}`, must all
    be in that list. `after=0` covers the whole log. `append` also takes a list of conditions, each
    of which must hold: so one decision can depend on several questions.
    """

    event_types: tuple[str, ...] = ()
    where: Mapping[str, Wanted | Sequence[Wanted]] = field(default_factory=dict, hash=False)
    after: int = 0
    aggregate_id: str | None = None

    def __post_init__(self) -> None:
        types, where = self.event_types, self.where
        types = (types,) if isinstance(types, str) else tuple(types)
        if any(not isinstance(name, str) or not name.strip() for name in types):
            raise InvalidEventError(f"event_types are texts such as 'OrderPlaced', found {types}.")
        if not isinstance(where, Mapping):
            raise InvalidEventError(
                f"where is a mapping such as {{'voucher': 'SPRING'}}, found {where!r:.60}."
            )
        for path, value in where.items():
            _check_question(path, value)
        after, stream = self.after, self.aggregate_id
        if not isinstance(after, int) or isinstance(after, bool) or after < 0:
            raise InvalidEventError(f"after is a position from 0 upwards, found {after!r}.")
        if stream is not None and (not isinstance(stream, str) or not stream.strip()):
            raise InvalidEventError(f"aggregate_id is a text, or None; found {stream!r}.")
        object.__setattr__(self, "event_types", types)
        kept = {p: v if isinstance(v, str | int) else tuple(v) for p, v in where.items()}
        object.__setattr__(self, "where", kept)

    def __str__(self) -> str:
        what = " or ".join(self.event_types) or "event of any type"
        fields = " and ".join(f"{path} {value!r}" for path, value in self.questions())
        stream = f" in {self.aggregate_id!r}" if self.aggregate_id else ""
        return f"{what}{' with ' if fields else ''}{fields}{stream}"

    def matches(self, event: Event) -> bool:
        """Whether an event is one that this condition looks for, wherever it is in the log."""
        return (
            (not self.event_types or event.event_type in self.event_types)
            and self.aggregate_id in (None, event.aggregate_id)
            and all(
                any(_equal(found, value) for found in _at(event.event_data, path.split(".")))
                for path, value in self.questions()
            )
        )

    def questions(self) -> Iterator[tuple[str, Wanted]]:
        """Each path with each value that must be there."""
        for path, value in self.where.items():
            for wanted in value if isinstance(value, tuple) else (value,):
                yield path, cast(Wanted, wanted)

    def sql(self, data: bool = True) -> tuple[str, list[Any]]:
        """The same in SQL with its parameters, `after` included, for the events of all streams.

        `data=False` leaves `where` out.
        """
        parts, values = ["position > ?"], list[Any]([self.after])
        if self.event_types:
            parts.append(f"event_type in ({', '.join('?' * len(self.event_types))})")
            values += self.event_types
        for path, value in self.questions() if data else ():
            # The path was checked in __post_init__. Both sides are written by the same JSON writer,
            # so that equal values are equal texts, and 1, '1', 1.0 and true are four values.
            found = f"json_extract(event_data, '$.{path}')"
            several = "[*]" in path
            test = "list_contains({}, to_json(?))" if several else "{} = to_json(?)"
            parts.append(test.format(found))
            values.append(value)
        return " and ".join(parts), values


#: One condition, or several, of which each must hold.
Conditions = AppendCondition | Iterable[AppendCondition] | None


def conditions_of(given: Conditions) -> list[AppendCondition]:
    """The conditions as a list; anything else is an `InvalidEventError`."""
    if given is None:
        return []
    several = [given] if isinstance(given, AppendCondition) else given
    if not isinstance(several, Iterable):
        raise InvalidEventError(_WRONG.format(given))
    conditions = list(several)
    for condition in conditions:
        if not isinstance(condition, AppendCondition):
            raise InvalidEventError(_WRONG.format(condition))
    return conditions


_WRONG = (
    "condition is an AppendCondition(event_types, where, after), or a list of them; found {!r:.60}."
)


def _several(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _check_question(path: object, value: Any) -> None:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise InvalidEventError(
            f"where: {path!r} is not a path in event data. Write names of letters, digits "
            f"and _, such as 'voucher', 'customer.id' or 'items[*].sku'."
        )
    several = _several(value)
    if several and ("[*]" not in path or not value):
        raise InvalidEventError(
            f"where: several values ask for a list that has all of them: write {path}[*], and at "
            f"least one value. For one of several values, pass a list of conditions. Found "
            f"{value!r:.60}."
        )
    for each in value if several else (value,):
        if not isinstance(each, str | int) or not -(2**63) <= _number(each) < 2**63:
            raise InvalidEventError(
                f"where: {path} must be compared with a text, a whole number, True or False; "
                f"found {each!r:.60}."
            )


def _number(value: str | int) -> int:
    return 0 if isinstance(value, str) else value


def _equal(found: Any, wanted: Any) -> bool:
    return type(found) is type(wanted) and found == wanted


def _at(value: Any, path: list[str]) -> Iterable[Any]:
    """The values at a path, as many as its lists have."""
    if not path:
        return [value]
    name, every, _ = path[0].partition("[*]")
    if not isinstance(value, Mapping) or name not in value:
        return []
    inner = value[name]
    if not every:
        return _at(inner, path[1:])
    items = inner if isinstance(inner, list) else []
    return [found for item in items for found in _at(item, path[1:])]
