"""Widgets to look at a log with: time sliders through one aggregate and through a whole store."""

from esnb.course.widgets.checklist import Advice, Checklist, advise
from esnb.course.widgets.lag import Lag
from esnb.course.widgets.race import Race
from esnb.course.widgets.race_guards import race_outcomes, race_retries
from esnb.course.widgets.refused import Refusals, Refused
from esnb.course.widgets.snapshot_cost import SnapshotCost, snapshot_cost_slider
from esnb.course.widgets.stepper import Stepper
from esnb.course.widgets.store_slider import StoreSlider, store_slider
from esnb.course.widgets.time_slider import TimeSlider, time_slider
from esnb.course.widgets.timetravel import TimeTravel

__all__ = [
    "StoreSlider",
    "TimeSlider",
    "store_slider",
    "time_slider",
    "TimeTravel",
    "Race",
    "Refused",
    "Refusals",
    "race_outcomes",
    "race_retries",
    "Lag",
    "Stepper",
    "Checklist",
    "Advice",
    "advise",
    "SnapshotCost",
    "snapshot_cost_slider",
]
