"""Lag: what a reader sees of a read model that is behind, over one simulated day of the shop.

    lag = Lag()
    lag
    lag.at, lag.state, lag.trace, lag.reader, lag.truth, lag.answers

The events are those of a real log, the read models those of a real `Projector`, and `trace` runs
the whole day again with both (`lag_run.py`). Only the time is simulated: a tick is one second, so
that a lecture, a test and a picture agree. The page holds what was recorded here: each row after
each event, and what each event does when it is applied a second time. It counts seconds and
positions, and it never applies an event itself. So it also works without a kernel.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, get_args

import pandas as pd
import traitlets

from esnb.course import figures
from esnb.course.widgets import html_parts
from esnb.course.widgets.lag_day import (
    BOB,
    BOB_PAYS,
    PROJECTS,
    REBUILD,
    RUSH,
    SECONDS,
    TIMEOUT,
    TREND,
    WRITES,
    Day,
    day,
)
from esnb.course.widgets.lag_projectors import Handler, Row
from esnb.course.widgets.lag_run import Simulation, Tick, checked
from esnb.course.widgets.page import PageWidget, image
from esnb.errors import InvalidEventError
from esnb.readmodels.projection import Lag as LagOf
from esnb.shop.rules import money

Policy = Literal["as is", "wait", "stream"]
Guide = Literal["full", "off"]

SHOWN = 5  # orders in the table
_OPEN = ("PENDING", "PAID")
CAPTION = "the page of open orders: status, paid of total"
CODE = {
    "as is": "orders.df()",
    "wait": f"orders.wait_for(token.position, timeout={TIMEOUT}); orders.df()",
    "stream": f'store.load(Order, "{BOB}")',
}


class Lag(PageWidget, view="lag"):
    """Write head and checkpoint of one simulated day, with what a reader sees: `Lag()`.

    `writes` and `projects` are events a second at the start; a lunch rush doubles the writes.
    `handler` says how the read model is kept: "transaction" (its position in the same transaction,
    as `Projector` does), or with the position saved apart, "idempotent" or "adds". `policy` says
    how Bob's page reads: "as is", "wait" for the position of his payment, or the "stream". `script`
    lists what the operator does: `[(18, "crash"), (22, "restart")]`, also "pause", "resume",
    "rebuild", ("write", n), ("project", n). `guide="off"` shows without asking first.

    `at` is the second that is shown; left out, the one before Bob pays. `trace`, `lag`, `state`,
    `reader`, `truth` and `compare` are what the real store and projector have there; `answers` is
    what was predicted.
    """

    _begins_with: ClassVar[tuple[str, ...]] = ("at", "script", "handler", "policy", "guide")
    _columns: ClassVar[tuple[str, ...]] = (
        "second",
        "policy",
        "question",
        "answer",
        "actual",
        "match",
        "why",
    )
    at = traitlets.Int(0, min=0, max=SECONDS).tag(sync=True)
    script: Any = traitlets.TraitType(()).tag(sync=True)
    handler: Any = traitlets.Enum(get_args(Handler), "transaction").tag(sync=True)
    policy: Any = traitlets.Enum(get_args(Policy), "as is").tag(sync=True)
    guide: Any = traitlets.Enum(get_args(Guide), "full").tag(sync=True)

    def __init__(
        self,
        *,
        writes: int = 4,
        projects: int = 6,
        handler: Handler = "transaction",
        policy: Policy = "as is",
        script: Iterable[Sequence[Any]] = (),
        at: int | None = None,
        guide: Guide = "full",
        projector: bool = False,
        seed: int = 7,
    ) -> None:
        for name, value, known in (
            ("writes", writes, WRITES),
            ("projects", projects, PROJECTS),
            ("handler", handler, get_args(Handler)),
            ("policy", policy, get_args(Policy)),
            ("guide", guide, get_args(Guide)),
            ("at", at or 0, range(SECONDS + 1)),
        ):
            if value not in known:
                raise InvalidEventError(f"{name} is one of {list(known)}, found {value!r}.")
        self._day, self.writes, self.projects = day(seed), writes, projects
        self._runs: dict[tuple[Any, ...], Any] = {}
        super().__init__(
            payload(self._day, writes, projects),
            script=list(script),
            handler=handler,
            policy=policy,
            at=at or 0,
            guide=guide,
            projector=projector,
        )
        if at is None:
            self.at = self._before_bob_pays()

    # -- what is shown, by really running it -----------------------------------------------

    def simulate(self, upto: int | None = None) -> Simulation:
        """A new run of the day to the end of a second (by default `at`), with its real `store` and
        `projector`, to look at or to go on with. Close it."""
        run = Simulation(self._day, self.script, self.handler, self.writes, self.projects)
        return run.run(self.at if upto is None else upto)

    @property
    def trace(self) -> pd.DataFrame:
        """A row a second of the whole day: head, checkpoint, the lag in events and in seconds,
        trend, state, and how far a rebuild is."""
        frame = pd.DataFrame(self._run("trace"), columns=Tick._fields).set_index("second")
        frame["rebuild"] = frame["rebuild"].astype("Int64")
        frame.insert(3, "seconds", frame.pop("milliseconds") / 1000)
        return frame

    @property
    def lag(self) -> LagOf:
        """How far the read model is behind: events, and seconds."""
        tick = self._run("trace")[self.at]
        return LagOf(tick.events, tick.milliseconds / 1000)

    @property
    def state(self) -> str:
        """One of: caught up, catching up, slow, stalled."""
        return str(self._run("trace")[self.at].state)

    @property
    def reader(self) -> pd.DataFrame:
        """The read model: a row an order with status, total and paid, in cents."""
        return _frame(self._run("reader"))

    @property
    def truth(self) -> pd.DataFrame:
        """The same, each order loaded from its stream."""
        return _frame(self._run("truth"))

    @property
    def compare(self) -> pd.DataFrame:
        """The orders of the page whose reader's row is not the truth, with +, ~ or -; the last row
        is what was paid in all."""
        rows = compared(self._run("reader"), self._run("truth"))
        return pd.DataFrame(rows, columns=["order", "reader", "truth", "change"]).set_index("order")

    @property
    def code(self) -> str:
        """The Python that reads as the policy says. `token` is what appending the payment gave."""
        return CODE[self.policy]

    def __repr__(self) -> str:
        steps = len(self.script)
        done = f", {steps} step{'' if steps == 1 else 's'} by the operator" if steps else ""
        return (
            f"<projection lag: second {self.at} of {SECONDS}, {self.lag}, {self.state}, "
            f"handler {self.handler}{done}>"
        )

    def _before_bob_pays(self) -> int:
        """The second to begin with: the lag has grown, and what is asked about comes next."""
        ticks = self._run("trace")
        return next((tick.second - 1 for tick in ticks if tick.head >= BOB_PAYS), SECONDS)

    def _run(self, what: str) -> Any:
        """Something of the present settings, from one real run, which is kept: "trace", and
        "reader" and "truth" at `at`."""
        key = (tuple(map(tuple, self.script)), self.handler, self.at)
        if key not in self._runs:
            kept: dict[str, Any] = {}
            run = self.simulate(0)
            for second in range(SECONDS + 1):
                if second:
                    run.step()
                if second == self.at:
                    kept |= {"reader": run.reader(), "truth": run.truth()}
            run.close()
            self._runs[key] = {**kept, "trace": run.ticks}
        return self._runs[key][what]

    # -- without a kernel ------------------------------------------------------------------

    def _title(self) -> str:
        return "Projection lag"

    def _still(self) -> str:
        """For places without JavaScript: the day in a picture, and one moment of it in a table."""
        ticks = self._run("trace")
        at, found = self.at, compared(self._run("reader"), self._run("truth"))
        rows = [
            html_parts.Row(sign, (name, seen, true), frozenset({2} if sign else ()))
            for name, seen, true, sign in found
        ]
        tick = ticks[at]
        picture = image(
            self._picture(ticks, at),
            "write head and checkpoint over time; the gap between them is the lag",
        )
        headers = ("order", f"a reader sees (at {tick.checkpoint})", f"truth (at {tick.head})")
        return (
            f"<p><b>Projection lag</b>, a simulated day of {SECONDS} s: at second {at} the read "
            f"model is {tick.events} events and {tick.milliseconds / 1000:.1f} s behind "
            f"({html.escape(tick.state)}). Run this notebook and press play.</p>"
            f"<p>{picture}</p>{html_parts.table(headers, rows, caption=CAPTION)}"
            f"<p><code>{html_parts.text(self.code)}</code></p>"
        )

    def _picture(self, ticks: Sequence[Tick], at: int) -> bytes:
        ax = figures.chart(8, 3.4)
        seconds = [tick.second for tick in ticks]
        head, checkpoint = [t.head for t in ticks], [t.checkpoint for t in ticks]
        ax.fill_between(
            seconds, checkpoint, head, color=figures.GREY, hatch="///", ec=figures.SOFT, lw=0
        )
        ax.plot(seconds, head, color=figures.BLUE, ls="-")
        ax.plot(seconds, checkpoint, color=figures.INK, ls="--")
        figures.note(ax, seconds[-1] + 0.5, head[-1], "write head", va="bottom")
        figures.note(ax, seconds[-1] + 0.5, checkpoint[-1], "checkpoint", va="top")
        ax.axvline(at, color=figures.INK, lw=1.1)
        ax.set(xlabel="seconds", ylabel="position", xlim=(0, SECONDS), ylim=(0, None))
        return figures.png(ax)

    @traitlets.validate("script")
    def _check_script(self, proposal: dict[str, Any]) -> list[list[Any]]:
        return [list(step) for step in checked(proposal["value"])]


def written(row: Row | None) -> str:
    """A row of the page to read, "PAID 30.50 of 30.50"; an order that is not open has none."""
    if row is None or row[0] not in _OPEN:
        return ""
    return f"{row[0]} {money(row[2])} of {money(row[1])}"


def compared(
    reader: dict[str, Row], truth: dict[str, Row]
) -> list[tuple[str, str, str, Literal["", "+", "~", "-"]]]:
    """Reader against truth for the page of open orders: Bob's, some that differ, and a total.

    The sign says what became of the reader's row in truth. At most 5 orders: one of each sign at
    least, and the newest where few differ.
    """
    rows: list[tuple[str, str, str, Literal["", "+", "~", "-"]]] = []
    for name in sorted(truth, key=lambda name: int(name.split("-")[1])):
        seen, true = written(reader.get(name)), written(truth[name])
        rows.append((name, seen, true, sign_of(seen, true)))
    rows.sort(key=lambda row: row[0] != BOB)
    others = [row for row in rows if row[0] != BOB]
    differ = [row for row in others if row[3]]
    firsts = [next((row for row in differ if row[3] == sign), None) for sign in "+~-"]
    same = [row for row in others if row[2] and not row[3]]
    chosen = [row for row in rows if row[0] == BOB]
    chosen += filter(None, (*firsts, *differ, *reversed(same)))
    kept = list(dict.fromkeys(chosen))[:SHOWN]
    seen, true = (money(sum(row[2] for row in side.values())) for side in (reader, truth))
    shown = [row for row in rows if row in kept]
    return [*shown, ("paid in all orders", seen, true, sign_of(seen, true))]


def sign_of(seen: str, true: str) -> Literal["", "+", "~", "-"]:
    """What happened to the reader's value meanwhile: + came, - went, ~ changed."""
    return "" if seen == true else "+" if not seen else "-" if not true else "~"


def _frame(rows: dict[str, Row]) -> pd.DataFrame:
    columns = ["status", "total", "paid"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.rename_axis("order_id")


def payload(of: Day, writes: int, projects: int) -> dict[str, Any]:
    """All that the browser needs, as JSON types."""
    names = list(dict.fromkeys(str(event.aggregate_id) for event in of.events))
    place = {name: number for number, name in enumerate(names)}
    return {
        "seconds": SECONDS,
        "rush": RUSH,
        "writes": writes,
        "projects": projects,
        "write_rates": WRITES,
        "project_rates": PROJECTS,
        "rebuild": REBUILD,
        "timeout": TIMEOUT,
        "trend": TREND,
        "shown": SHOWN,
        "bob": place[BOB],
        "token": BOB_PAYS,
        "code": CODE,
        "caption": CAPTION,
        "counts": {rate: [of.count(rate, s) for s in range(SECONDS)] for rate in WRITES},
        "orders": names,
        "order": [-1, *(place[str(e.aggregate_id)] for e in of.events)],
        "type": ["", *(event.event_type for event in of.events)],
        "rows": of.rows,
        "truth": of.truth,
        "effects": of.effects,
    }
