"""Answers to the exercises of chapter 14."""

NOTEBOOK = "14_case_file"

RIGHT = {
    "14-3": [
        "silence = {'airport': 'lga', 'from': '18:02', 'until': '19:33'}",
        """
import datetime
silence = {'airport': 'LGA', 'from': datetime.time(18, 2),
           'until': pd.Timestamp('2013-07-22 19:33')}
""",
    ],
    "14-2": [
        "others = {'flights': 22, 'least': 16, 'most': 33}",
        """
import numpy as np
others = {'flights': np.int64(22), 'least': 16.0, 'most': np.float64(33)}
""",
    ],
    "14-1": [
        """
landed = saturday['arr_delay'].notna()
clocks = {'hours_between': -3, 'minutes': 5 * 60 + 37,
          'before': sum((saturday['arr_time'] < saturday['dep_time']) & landed)}
""",
        "clocks = {'hours_between': 3.0, 'minutes': 337.0, 'before': 23}",
    ],
}

WRONG = {
    "14-3": {
        "no-such-airport": "silence = {'airport': 'SFO', 'from': '18:02', 'until': '19:33'}",
        "another-airport": "silence = {'airport': 'JFK', 'from': '18:02', 'until': '19:33'}",
        "greenwich": "silence = {'airport': 'LGA', 'from': '22:02', 'until': '23:33'}",
        "other-times": "silence = {'airport': 'LGA', 'from': '18:00', 'until': '19:33'}",
        "not-a-clock": "silence = {'airport': 'LGA', 'from': 'two past six', 'until': '19:33'}",
        "swapped": "silence = {'airport': 'LGA', 'from': '19:33', 'until': '18:02'}",
    },
    "14-2": {
        "with-itself": "others = {'flights': 23, 'least': 16, 'most': 80}",
        "all-airports": "others = {'flights': 61, 'least': 16, 'most': 33}",
        "other-flights": "others = {'flights': 7, 'least': 16, 'most': 33}",
        "swapped": "others = {'flights': 22, 'least': 33, 'most': 16}",
        "other-minutes": "others = {'flights': 22, 'least': 16, 'most': 34}",
    },
    "14-1": {
        "one-wall": "clocks = {'hours_between': 0, 'minutes': 157, 'before': 23}",
        "one-wall 2": "clocks = {'hours_between': 3, 'minutes': 157, 'before': 23}",
        "other-direction": "clocks = {'hours_between': 3, 'minutes': -23, 'before': 23}",
        "in-the-air": "clocks = {'hours_between': 3, 'minutes': 323, 'before': 23}",
        "hours-and-minutes": "clocks = {'hours_between': 3, 'minutes': 537, 'before': 23}",
        "nobody": "clocks = {'hours_between': 3, 'minutes': 337, 'before': 0}",
        "other-count": "clocks = {'hours_between': 3, 'minutes': 337, 'before': 24}",
        "other": "clocks = {'hours_between': 5, 'minutes': 337, 'before': 23}",
    },
}
