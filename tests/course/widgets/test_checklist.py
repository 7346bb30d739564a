"""The checklist: the rule against one told in other words, the page's JavaScript against Python."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esnb.course.widgets import Advice, Checklist, advise
from esnb.course.widgets.checklist import ITEMS, NUMBERS, VERDICTS, WORDS, rule
from esnb.errors import InvalidEventError
from tests.node import node

SOME = st.dictionaries(st.sampled_from(list(ITEMS)), st.sampled_from(["yes", "no", "not sure"]))


def told(said: dict[str, str]) -> str:
    """The rule in other words, for ten answers that are all yes or no."""
    yes = {key for key, answer in said.items() if answer == "yes"}
    asked = yes & {"why", "past", "several"}
    free = "running" not in yes
    if free and len(asked | yes & {"states"}) > 1:
        clear = "forms" not in yes and {"late", "team"} <= yes
        return "events" if clear else "wait"
    return "changes" if asked or "before" in yes else "rows"


def every(answers: dict[str, str]) -> list[dict[str, str]]:
    """All ways to answer what is open."""
    open_ = [key for key in ITEMS if answers.get(key, "not sure") == "not sure"]
    return [
        {**answers, **dict(zip(open_, rest, strict=True))}
        for rest in product(("yes", "no"), repeat=len(open_))
    ]


def found(answers: dict[str, str]) -> set[str]:
    return {told(said) for said in every(answers)}


@settings(max_examples=60, deadline=None)
@given(SOME)
def test_a_verdict_is_what_no_open_answer_can_change(answers: dict[str, Any]) -> None:
    advice = advise(answers)
    possible = found(answers)
    assert set(advice.possible) == possible
    assert advice.verdict == (next(iter(possible)) if len(possible) == 1 else "")
    for key in ITEMS:
        if answers.get(key, "not sure") == "not sure":
            rest = [{**said, key: "no"} for said in every({**answers, key: "no"})]
            changes = any(told(said) != told({**said, key: "yes"}) for said in rest)
            assert (key in advice.open) == changes, key
            assert key not in advice.decides
        else:
            other = found({**answers, key: "no" if answers[key] == "yes" else "yes"})
            alone = len(possible) == len(other) == 1 and possible != other
            assert advice.decides.get(key) == (next(iter(other)) if alone else None), key


@settings(max_examples=60, deadline=None)
@given(SOME)
def test_each_answer_that_pushes_is_named_once_with_its_reason(answers: dict[str, Any]) -> None:
    advice = advise(answers)
    named = [key for key, *_ in advice.pushes]
    assert named == [key for key in ITEMS if key in named]
    for key, said, to, why in advice.pushes:
        assert said == answers[key] != "not sure"
        assert to in WORDS
        assert why in str(advice)
    silent = {key for key, said in answers.items() if said != "not sure"} - set(named)
    for key in silent:
        assert (ITEMS[key].yes if answers[key] == "yes" else ITEMS[key].no).to == ""


def test_an_answer_that_counts_pushes_and_one_that_pushes_counts() -> None:
    """No push without a part in the rule, and no silent rule; but for the price of forgetting."""
    for key, item in ITEMS.items():
        if key == "people":
            assert (item.counts, item.yes.to) == (None, "cost")
            continue
        assert item.counts is not None
        counting = item.yes if item.counts[1] == "yes" else item.no
        assert counting.to in {"events", "changes", "wait"}
        assert all(push.why for push in (item.yes, item.no))


def test_all_verdicts_can_be_reached_and_have_words() -> None:
    every_number = product(*(range(most + 1) for most in NUMBERS.values()))
    assert {rule(*numbers) for numbers in every_number} == set(VERDICTS)
    assert all(title and text for title, text in VERDICTS.values())


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({}, ""),
        (dict.fromkeys(ITEMS, "no"), "rows"),
        ({**dict.fromkeys(ITEMS, "no"), "before": "yes"}, "changes"),
        ({"running": "yes", "before": "yes"}, "changes"),
        ({**dict.fromkeys(ITEMS, "yes"), "running": "no"}, "wait"),
        ({**dict.fromkeys(ITEMS, "yes"), "running": "no", "forms": "no"}, "events"),
        ({"why": "yes", "states": "yes", "running": "no"}, ""),
        ({"why": "yes", "states": "yes", "running": "no", "team": "no"}, "wait"),
    ],
)
def test_cases_of_the_chapter(answers: dict[str, Any], verdict: str) -> None:
    assert advise(answers).verdict == verdict


def test_nothing_said_says_that_nothing_is_decided() -> None:
    nothing = advise({})
    assert nothing.title == "Not decided: 4 verdicts are possible"
    assert nothing.pushes == ()
    assert set(nothing.open) == set(ITEMS) - {"people"}
    assert nothing == advise(dict.fromkeys(ITEMS, "not sure"))


@pytest.mark.parametrize("answers", [{"colour": "yes"}, {"why": "maybe"}, {"why": True}, [1], None])
def test_what_is_no_answer_is_refused(answers: Any) -> None:
    with pytest.raises(InvalidEventError):
        advise(answers)
    if answers is not None:
        with pytest.raises(InvalidEventError):
            Checklist(answers) if isinstance(answers, dict) else advise(answers)


# -- the page's own code -----------------------------------------------------------------------


def test_the_page_says_what_python_says() -> None:
    dice = random.Random(12)
    cases = [{}] + [
        {key: dice.choice(["yes", "no", "not sure"]) for key in ITEMS if dice.random() < 0.8}
        for _ in range(400)
    ]
    with node("answer.mjs") as ask:
        pages = ask("advice", content=Checklist()._data, cases=cases)
    for case, page in zip(cases, pages, strict=True):
        advice: Advice = advise(case)
        assert page == {
            "verdict": advice.verdict,
            "possible": list(advice.possible),
            "pushes": [list(push) for push in advice.pushes],
            "open": list(advice.open),
            "decides": [list(pair) for pair in advice.decides.items()],
        }, case


# -- the widget in Python, and without JavaScript ----------------------------------------------


def test_answers_can_be_set_and_read() -> None:
    list_ = Checklist({"why": "yes"})
    assert repr(list_) == ("<checklist: 1 of 10 answered. Not decided: 3 verdicts are possible>")
    list_.given = {"why": "yes", "states": "yes", "running": "no", "team": "no"}
    assert list_.advice.verdict == "wait"
    assert repr(list_) == "<checklist: 4 of 10 answered. Event sourcing, but not yet>"
    table = list_.answers
    assert list(table.columns) == ["question", "answer", "pushes", "because"]
    assert list(table.loc["team"])[1:3] == ["no", "in the way"]
    assert list(table.loc["late"])[1:] == ["not sure", "", ""]
    with pytest.raises(InvalidEventError, match="no question 'colour'"):
        list_.given = {"colour": "yes"}
    assert list_.advice.verdict == "wait"


def test_a_place_without_javascript_reads_everything() -> None:
    list_ = Checklist({"why": "yes", "people": "yes"})
    bundle = list_._repr_mimebundle_()
    assert bundle["text/plain"] == repr(list_)
    text = bundle["text/html"]
    assert "<script" not in text
    for item in ITEMS.values():
        assert item.text in text
    assert ITEMS["why"].yes.why in text
    assert ITEMS["people"].yes.why in text
    assert "still open, and could change it" in text


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = Checklist().to_html(tmp_path / "page.html").read_text()
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "import " not in page.split('<script type="module">')[1]
