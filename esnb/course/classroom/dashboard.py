"""Where a class is stuck: read models over its log, tables and two figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from esnb.readmodels.projection import Projection
from esnb.readmodels.projector import Projector
from esnb.store.reader import Reader

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRIES = "event_type = 'ExerciseAttempted' and event_data->>'$.outcome' <> 'not yet'"


class Progress(Projection):
    """A row for each learner and exercise, and one for each mistake of theirs in it.

    `tries` counts the answers up to the first right one; a check of an untouched stub is not a try.
    Times are those of the first event, of the latest, and of the first right answer.
    """

    tables: ClassVar[dict[str, str]] = {
        "progress": "learner varchar, exercise varchar, tries integer, hints integer, "
        "first_at timestamp, last_at timestamp, solved_at timestamp, "
        "primary key (learner, exercise)",
        "mistakes": "exercise varchar, mistake varchar, learner varchar, times integer, "
        "primary key (exercise, mistake, learner)",
    }
    columns: ClassVar[list[str]] = ["aggregate_id", "event_type", "event_data", "occurred_at"]
    sql: ClassVar[list[str]] = [
        f"""
        insert into progress
        select learner, exercise,
               count(*) filter (where is_try and (solved is null or position <= solved)),
               count(*) filter (where event_type = 'HintTaken'),
               min(occurred_at), max(occurred_at),
               min(occurred_at) filter (where position = solved)
        from (select *, aggregate_id as learner, event_data->>'$.exercise' as exercise,
                     {_TRIES} as is_try,
                     min(position) filter (where event_data->>'$.outcome' = 'right')
                         over (partition by aggregate_id, event_data->>'$.exercise') as solved
              from new_events where event_type in ('ExerciseAttempted', 'HintTaken'))
        group by learner, exercise
        on conflict do update set
            tries = tries + case when solved_at is null then excluded.tries else 0 end,
            hints = hints + excluded.hints,
            first_at = least(first_at, excluded.first_at),
            last_at = greatest(last_at, excluded.last_at),
            solved_at = coalesce(solved_at, excluded.solved_at)""",
        """
        insert into mistakes
        select event_data->>'$.exercise', event_data->>'$.mistake', aggregate_id, count(*)
        from new_events where event_data->>'$.mistake' is not null group by all
        on conflict do update set times = times + excluded.times""",
    ]


class Dashboard:
    """The tables and figures of a class: `Dashboard(merge("hand-ins").store)`.

    "Now" is the latest event of the log, not the clock on the wall, so the same log gives the same
    dashboard. `catch_up()` brings in what was stored since; learners are pseudonyms throughout.
    """

    def __init__(self, store: Reader) -> None:
        self.projector = Projector(store, Progress)
        self.catch_up()

    def catch_up(self) -> int:
        """Process the events that came since; returns how many."""
        return self.projector.catch_up()

    def exercises(self) -> pd.DataFrame:
        """A row an exercise: who tried and solved it, tries until right (median), and so on.

        `hints` is the mean per learner, `common mistake` the one that most learners made, with
        their number; `stuck` counts the learners of `stuck()`.
        """
        table = self.projector.sql("""
            with common as (
                select exercise, arg_max(mistake, (n, mistake)) as mistake, max(n) as learners
                from (select exercise, mistake, count(*) as n from mistakes group by all)
                group by exercise)
            select exercise, count(*) filter (where tries > 0) as tried,
                   count(solved_at) as solved,
                   median(tries) filter (where solved_at is not null) as "tries until right",
                   round(sum(hints) / count(*), 1) as hints,
                   any_value(common.mistake || ' (' || common.learners || ')') as "common mistake"
            from progress left join common using (exercise) group by exercise order by exercise
        """).df()
        stuck = self.stuck()["exercise"].value_counts()
        table["stuck"] = table["exercise"].map(stuck).fillna(0).astype(int)
        return table

    def mistakes(self, exercise: str | None = None) -> pd.DataFrame:
        """Which mistakes, made by how many learners, how often; the commonest first."""
        return self.projector.sql(
            "select exercise, mistake, count(*) as learners, sum(times)::int as times "
            "from mistakes where $1::varchar is null or exercise = $1 "
            "group by all order by learners desc, times desc, exercise, mistake",
            [exercise],
        ).df()

    def stuck(self, tries: int = 3, minutes: float = 15) -> pd.DataFrame:
        """Who is stuck now: on the latest exercise, unsolved, `tries` wrong answers or more.

        Learners who did nothing for `minutes` have left; they are not shown. `since` is in minutes.
        """
        return self.projector.sql(
            """
            with latest as (
                select *, max(last_at) over () as now from progress
                qualify 1 = row_number()
                    over (partition by learner order by last_at desc, exercise))
            select p.learner, p.exercise, p.tries, p.hints,
                   date_diff('second', first_at, now) // 60 as since,
                   (select arg_max(mistake, (times, mistake)) from mistakes m
                    where m.learner = p.learner and m.exercise = p.exercise) as "usual mistake"
            from latest p where solved_at is null and tries >= ?
                and date_diff('second', last_at, now) <= ? * 60
            order by since desc, p.learner""",
            [tries, minutes],
        ).df()

    def funnel(self) -> pd.DataFrame:
        """How many learners began each exercise, gave an answer, and got it right."""
        return self.projector.sql("""
            select exercise, count(*) as began, count(*) filter (where tries > 0) as tried,
                   count(solved_at) as solved
            from progress group by exercise order by exercise""").df()

    def draw_funnel(self) -> Axes:
        """A bar an exercise: its length who began, the filled part who got it right."""
        from esnb.course import figures  # a second to import, for those who draw

        rows = self.projector.sql(
            "select exercise, count(*), count(solved_at) from progress group by all order by all"
        ).fetchall()
        ax = figures.chart(8.0, 0.9 + 0.42 * max(1, len(rows)))
        whole = max([began for _, began, _ in rows], default=1)
        for y, (exercise, began, solved) in enumerate(rows):
            ax.barh(y, began, 0.62, color=figures.GREY)
            ax.barh(y, solved, 0.62, color=figures.BLUE)
            figures.note(ax, -0.015 * whole, y, exercise, ha="right")
            figures.note(ax, began + 0.015 * whole, y, f"{solved} of {began}")
        return _rows_below(
            ax, len(rows), "learners: solved, of those who began", xlim=(0, 1.25 * whole)
        )

    def draw_tries(self) -> Axes:
        """How many learners needed how many tries: a disc where solved, a square where not yet."""
        from esnb.course import figures  # a second to import, for those who draw

        rows = self.projector.sql("""
            select exercise, least(tries, 9), solved_at is not null, count(*)
            from progress where tries > 0 group by all order by all""").fetchall()
        names = sorted({exercise for exercise, *_ in rows})
        ax = figures.chart(8.0, 0.9 + 0.52 * max(1, len(names)))
        for exercise, tries, solved, learners in rows:
            x, y = tries + (0.0 if solved else 0.42), names.index(exercise)
            look: dict[str, Any] = {"marker": "o", "mfc": figures.SKY, "mec": figures.INK, "ms": 21}
            if not solved:
                look = {"marker": "s", "mfc": "none", "mec": figures.ORANGE, "ms": 17, "mew": 3}
            ax.plot([x], [y], ls="", **look)
            figures.note(ax, x, y, str(learners), ha="center", fontsize=figures.SIZE - 2)
        for y, name in enumerate(names):
            figures.note(ax, 0.4, y, name, ha="right")
        ax.set_xticks(range(1, 10), [*map(str, range(1, 9)), "9+"])
        return _rows_below(ax, len(names), "tries (disc: solved, square: not yet)", xlim=(0.5, 9.9))


def _rows_below(ax: Axes, rows: int, xlabel: str, xlim: tuple[float, float]) -> Axes:
    """The first exercise on top, and no line on the left: the names are there."""
    ax.set(xlim=xlim, ylim=(max(1, rows) - 0.4, -0.6), yticks=[], xlabel=xlabel)
    ax.spines["left"].set_visible(False)
    return ax
