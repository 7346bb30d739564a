"""The classroom is event-sourced: learning leaves events, if the learner says so.

    from esnb.course import classroom

    classroom.join("event sourcing 101")   # from here on, each check and each hint is an event
    classroom.what_is_stored()             # all of it, to read
    store = classroom.open_store()         # the log itself: project your own learning
    classroom.hand_in()                    # a file; you decide who gets it
    classroom.leave(delete=True)           # gone

Off by default, and local: nothing is ever sent. A teacher puts the files of a class into a folder:

    dashboard = Dashboard(merge("hand-ins").store)
    dashboard.exercises()                  # where the class is stuck, and on which mistake
"""

from .dashboard import Dashboard, Progress
from .log import (
    AGGREGATE,
    ClassroomError,
    HandedIn,
    Stored,
    hand_in,
    join,
    leave,
    open_store,
    what_is_stored,
)
from .merging import Merged, merge
from .simulated import simulated_class

__all__ = [
    "AGGREGATE",
    "ClassroomError",
    "Dashboard",
    "HandedIn",
    "Merged",
    "Progress",
    "Stored",
    "hand_in",
    "join",
    "leave",
    "merge",
    "open_store",
    "simulated_class",
    "what_is_stored",
]
