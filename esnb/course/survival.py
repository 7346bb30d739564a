"""How long until it happens, when some are still waiting: the estimator of Kaplan and Meier.

    curve = survival(days, delivered)      # of each order: days watched, and whether it arrived
    quantile(curve)                        # the median: half of the orders have arrived by then

An order that has not arrived is *censored*: it is known to have waited so long, and no more. It is
counted among those that wait until then. To leave it out would keep the fast ones only.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esnb.errors import InvalidEventError

__all__ = ["quantile", "survival"]


def survival(
    durations: Iterable[float], happened: Iterable[bool], *, confidence: float = 0.95
) -> pd.DataFrame:
    """The share that is still waiting after each duration; a row for each duration seen.

    `durations` may have any unit; the index has the same. `happened` says of each whether it ended
    because it happened; otherwise the watching ended (censored). Columns: `waiting` (just before),
    `happened`, `censored`, `share` (after it), and `low` and `high`, a pointwise interval with
    this `confidence` (Greenwood's variance of log(-log(share)), as in R's and Stata's "log-log").
    Raises `InvalidEventError` for unequal lengths, no durations at all, and a duration that is
    negative or missing.
    """
    time, event = _checked(durations, happened)
    at, row = np.unique(time, return_inverse=True)
    hits = np.bincount(row, weights=event, minlength=at.size).astype(int)
    seen = np.bincount(row, minlength=at.size)
    waiting = seen[::-1].cumsum()[::-1]
    share = np.cumprod(1 - hits / waiting)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(hits / (waiting * (waiting - hits)))
        spread = z * np.sqrt(greenwood) / np.abs(np.log(share))
        low, high = share ** np.exp(spread), share ** np.exp(-spread)
    low[share == 1], high[share == 1] = 1.0, 1.0
    low[share == 0], high[share == 0] = np.nan, np.nan
    columns = {"waiting": waiting, "happened": hits, "censored": seen - hits}
    return pd.DataFrame(
        {**columns, "share": share, "low": low, "high": high}, index=pd.Index(at, name="after")
    )


def quantile(curve: pd.DataFrame, q: float = 0.5) -> float:
    """The first duration after which at least the share `q` has happened; NaN if not seen."""
    reached = curve.index[curve["share"] <= 1 - q + 1e-12]
    return float(reached[0]) if len(reached) else float("nan")


def _checked(
    durations: Iterable[float], happened: Iterable[bool]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    time = np.fromiter(map(float, durations), dtype=np.float64)
    event = np.fromiter(map(bool, happened), dtype=np.bool_)
    if time.size != event.size:
        raise InvalidEventError(
            f"Each duration needs one answer to whether it happened: found {time.size} durations "
            f"and {event.size} answers."
        )
    if not time.size:
        raise InvalidEventError("There is no duration to look at.")
    wrong = np.flatnonzero(~(time >= 0))
    if wrong.size:
        raise InvalidEventError(
            f"Duration {wrong[0]} (counted from 0) is {time[wrong[0]]:g}. A duration is 0 or more. "
            "For one that still waits, give the time watched so far, and False in `happened`."
        )
    return time, event
