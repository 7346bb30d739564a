"""Row changes as neighbours of events: captured by triggers, by PostgreSQL's log, and compared.

`TriggerCapture` lets DuckDB itself write down each changed row, `SlotCapture` reads the changes of
a replication slot of PostgreSQL (the extra `postgres`). Both give Debezium's envelope: op, before,
after, source, ts_ms. `Story` runs one small story of a shop and captures it in four ways, so that
twelve questions can be put to each.
"""

from esnb.capture.postgres import SlotCapture, decode, sample
from esnb.capture.questions import QUESTIONS, WAYS, Question
from esnb.capture.story import STEPS, Step, Story, systems, write_rows
from esnb.capture.triggers import CaptureError, TriggerCapture

__all__ = [
    "QUESTIONS", "STEPS", "WAYS", "CaptureError", "Question", "SlotCapture", "Step", "Story",
    "TriggerCapture", "decode", "sample", "systems", "write_rows",
]  # fmt: skip
