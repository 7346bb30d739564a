"""Widgets to look at a log with: time sliders through one aggregate and through a whole store."""

from esnb.widgets.checklist import Advice, Checklist, advise
from esnb.widgets.lag import Lag
from esnb.widgets.race import Race
from esnb.widgets.race_guards import race_outcomes, race_retries
from esnb.widgets.refused import Refusals, Refused
from esnb.widgets.simple import TimeSlider, time_slider
from esnb.widgets.simple_store import StoreSlider, store_slider
from esnb.widgets.timetravel import TimeTravel

__all__ = [
    "StoreSlider", "TimeSlider", "store_slider", "time_slider", "TimeTravel", "Race",
    "Refused", "Refusals", "race_outcomes", "race_retries", "Lag", "Checklist", "Advice", "advise",
]  # fmt: skip
