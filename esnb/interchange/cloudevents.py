"""An event as a CloudEvent 1.0, and back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import orjson

from esnb.event_json import read_json

from .mapping import AsWritten, InterchangeError, made_id, raw


def to_cloudevent(row: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a row of the log; `InterchangeError` for a name that none can hold."""
    for name in ("aggregate_type", "aggregate_id", "event_type"):
        if any(c < " " or "\x7f" <= c <= "\x9f" for c in row[name]):
            raise InterchangeError(
                f"Event at position {row['position']}: {name} {row[name]!r} holds a control "
                "character, which no attribute of a CloudEvent may. Write JSON Lines instead."
            )
    metadata = json.dumps(json.loads(row["metadata"]))  # ASCII: no control character is left
    return {
        "specversion": "1.0",
        "id": row["event_id"],
        "type": row["event_type"],
        "source": "/esnb/" + quote(row["aggregate_type"], safe=""),
        "subject": row["aggregate_id"],
        "time": row["occurred_at"],
        "datacontenttype": "application/json",
        "sequence": f"{row['sequence_number']:020d}",
        "globalposition": f"{row['position']:020d}",
        "aggregatetype": row["aggregate_type"],
        "eventversion": row["event_version"],
        "recordedat": row["recorded_at"],
        "metadata": metadata,
        "data": raw(row["event_data"]),
    }


def from_cloudevent(
    item: Any, default_id: str | None = None, default_time: str | None = None
) -> dict[str, Any]:
    """The row of a CloudEvent; ValueError says what is wrong with it."""
    if not isinstance(item, dict) or item.get("specversion") != "1.0":
        raise ValueError("is not a CloudEvent of version 1.0 (specversion)")
    rest = dict(item)
    for name, default in (("subject", default_id), ("time", default_time)):
        if rest.get(name) in (None, "") and default is not None:
            rest[name] = default
    for name in ("id", "source", "type", "subject", "time"):
        if not isinstance(rest.get(name), str) or not rest[name]:
            option = {"subject": "default_id", "time": "default_time"}.get(name)
            hint = f"; {option}=... fills it in" if option and rest.get(name) in (None, "") else ""
            raise ValueError(f"{name} is missing, or is not text{hint}")
    if "data_base64" not in rest:
        rest.setdefault("data", {})
    if not isinstance(rest.get("data"), dict | AsWritten):
        raise ValueError("data is not a JSON object")
    ours = rest["source"].startswith("/esnb/")
    kind = unquote(rest["source"].rstrip("/").rpartition("/")[2])
    # Of others, an extension may have any name, metadata too: it stays what it is.
    metadata = rest.pop("metadata", "{}") if ours else "{}"
    row = {
        "aggregate_type": rest.pop("aggregatetype", kind),
        "aggregate_id": rest.pop("subject"),
        "event_type": rest.pop("type"),
        "event_data": rest.pop("data"),
        "occurred_at": rest.pop("time"),
        "event_version": rest.pop("eventversion", 1),
        "metadata": read_json(metadata, "metadata") if isinstance(metadata, str) else metadata,
    }
    if ours:  # what others call a sequence counts something else
        columns = {"globalposition": "position", "sequence": "sequence_number"}
        columns |= {"recordedat": "recorded_at"}
        row |= {column: rest.pop(name) for name, column in columns.items() if name in rest}
    try:
        row["event_id"] = str(UUID(rest["id"]))
    except ValueError:
        row["event_id"] = made_id(rest["source"], rest["id"])
    source = "/esnb/" + quote(str(row["aggregate_type"]), safe="", errors="replace")
    usual = {"specversion": "1.0", "datacontenttype": "application/json", "source": source}
    usual |= {"id": row["event_id"]}
    kept = {name: value for name, value in rest.items() if usual.get(name, ...) != value}
    if kept and isinstance(row["metadata"], dict):
        row["metadata"] = {**row["metadata"], "cloudevents": kept}
    return row


def spaced_as_usual(text: str) -> bool:
    """Whether JSON is written the way this package writes it."""
    return orjson.dumps(orjson.loads(text)) == text.encode()
