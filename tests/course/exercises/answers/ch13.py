"""Answers to the exercises of chapter 13."""

NOTEBOOK = "13_scale"

RIGHT = {
    "13-3": [
        """
from fractions import Fraction

def years(events, orders_a_day, events_an_order):
    return Fraction(events) / Fraction(orders_a_day * events_an_order * 365)
""",
    ],
    "13-2": [],
    "13-1": [
        "same_version, new_version = 1_288 - 1_000, 1_288",
        """
import numpy as np
same_version, new_version = np.array([288, 1288])
""",
    ],
}

WRONG = {
    "13-3": {
        "days-not-years": """
def years(events, orders_a_day, events_an_order):
    return events / (orders_a_day * events_an_order)
""",
        "forgets-the-events": """
def years(events, orders_a_day, events_an_order):
    return events / orders_a_day / 365
""",
        "forgets-the-orders": """
def years(events, orders_a_day, events_an_order):
    return events / events_an_order / 365
""",
        "upside-down": """
def years(events, orders_a_day, events_an_order):
    return orders_a_day * events_an_order * 365 / events
""",
        "orders-not-events": """
def years(events, orders_a_day, events_an_order):
    return events / orders_a_day * events_an_order / 365
""",
        "other": """
def years(events, orders_a_day, events_an_order):
    return 685
""",
    },
    "13-2": {
        "another-tomorrow": """
def bucket(name):
    return abs(hash(name)) % 2
""",
        "one-worker": """
def bucket(name):
    return len(name) % 2
""",
        "one-worker 2": """
def bucket(name):
    return 0
""",
        "no-such-bucket": """
def bucket(name):
    return sum(name.encode()) % 3 + 1
""",
        "no-return": """
def bucket(name):
    sum(name.encode()) % 2
""",
    },
    "13-1": {
        "from-the-start": "same_version, new_version = 1288, 1288",
        "what-is-done": "same_version, new_version = 1000, 1288",
        "nothing-to-do": "same_version, new_version = 0, 1288",
        "rows-of-the-old": "same_version, new_version = 288, 288",
        "other": "same_version, new_version = 12, 1288",
        "wrong-kind": "same_version, new_version = 'a', 1288",
    },
}
