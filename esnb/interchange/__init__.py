"""The way out and in: a log as JSON Lines, CSV, Parquet or CloudEvents; process-mining logs read.

    write_jsonl(store, "shop.jsonl.gz")          # also write_csv, write_parquet, write_cloudevents
    frame = read_jsonl("shop.jsonl.gz")          # also read_csv, ..., read_xes, read_ocel
    copy = restore(frame, "copy.duckdb")         # the same log again, as a new store
    store.append_frame(frame, **COLUMNS)         # or: into a store that has events already

A log of your own, in a table of any form:

    store = from_csv("visits.csv", timezone="Europe/Paris")    # finds out how the file is written
    frame = read_table("visits.csv"); guess_columns(frame)     # or step by step

The log of an application that runs already, on another store (see `from_store`):

    copy = from_store("sqlite:///app.sqlite", kind="eventsourcing"); copy.store; copy.top_up()

A frame has one row for each event, in order of position, and the columns of the table `events`;
event_data and metadata are JSON text. What a format cannot carry is listed, with a count, in
`frame.attrs["lost"]`, and in the `lost` that a writer returns. A store, or its past
(`store.as_of(...)`), is written as it was recorded, without upcasting. A file appears when it is
complete, and never replaces a database; names that end in .gz are packed. A file that unpacks to
more than `max_bytes` (a billion) is not read.

`restore` keeps everything, in one transaction, so that the copy has the proofs of the original.
`append_frame` orders by occurred_at, numbers anew, sets recorded_at to now, and event_version to 1
unless told `event_version="event_version"`: it is for events from elsewhere.

Formats: jsonlines.org, RFC 4180, CloudEvents 1.0.2 (JSON), IEEE 1849 (XES), OCEL 2.0 (JSON).
"""

from .csv_log import Reading, read_table
from .from_store import StoreCopy, from_store
from .guess import Guess, from_csv, guess_columns
from .mapping import COLUMNS, InterchangeError, restore
from .ocel import read_ocel
from .reading import read_cloudevents, read_csv, read_jsonl, read_parquet
from .store_kinds import Columns
from .writing import Written, write_cloudevents, write_csv, write_jsonl, write_parquet
from .xes import read_xes

__all__ = [
    "COLUMNS",
    "Columns",
    "Guess",
    "InterchangeError",
    "Reading",
    "StoreCopy",
    "Written",
    "from_csv",
    "from_store",
    "guess_columns",
    "read_cloudevents",
    "read_csv",
    "read_jsonl",
    "read_ocel",
    "read_parquet",
    "read_table",
    "read_xes",
    "restore",
    "write_cloudevents",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]
