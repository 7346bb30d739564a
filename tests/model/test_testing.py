"""Given, when, then: what the sentence form of a test accepts, and how it says what differs."""

from __future__ import annotations

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from esnb import (
    Aggregate,
    Decider,
    InvalidCommandError,
    given,
    new_event,
)
from tests.model.shelf import Fill, Nothing, Shelf, Take, shelf_decider

pytestmark = pytest.mark.filterwarnings("error")


# ---------------------------------------------------------------- given / when / then

FILLED, TAKEN = new_event("Filled", pieces=1), new_event("Taken", who="ada")


@pytest.fixture(params=[Shelf, shelf_decider], ids=["aggregate", "decider"])
def subject(request):
    return request.param


def failure(check, *arguments):
    with pytest.raises(AssertionError) as caught:
        check(*arguments)
    return str(caught.value)


def test_then_holds(subject):
    given(subject, FILLED).when(Take("s", "ada")).then(TAKEN)
    given(subject).when(Take("s", "ada")).then_rejected("empty")
    given(subject).when(Take("s", "ada")).then_rejected()
    given(subject, FILLED).when(Nothing("s")).then()


def test_the_text_shows_wanted_got_and_the_first_difference(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))
    assert failure(outcome.then, new_event("Taken", who="ben")) == "\n".join([
        'given            1 Filled {"pieces":1}',
        "when             Take(aggregate_id='s', who='ada')",
        'wanted           1 Taken {"who":"ben"}',
        'got              1 Taken {"who":"ada"}',
        "first difference event 1, data who: 'ben' wanted, 'ada' found",
    ])  # fmt: skip


def test_each_kind_of_difference_is_named(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))

    def first(*wanted):
        return failure(outcome.then, *wanted).splitlines()[-1].removeprefix("first difference ")

    assert first(new_event("Sold", who="ada")) == "event 1, type: Sold wanted, Taken found"
    assert first(new_event("Taken", who="ada", n=1)) == "event 1, data n: 1 is missing"
    assert first(new_event("Taken")) == "event 1, data who: 'ada' was not wanted"
    assert first(TAKEN, FILLED) == "event 2, Filled: missing"
    assert first() == "event 1, Taken: not wanted"
    assert first(new_event("Taken", who="ada", event_version=2)) == (
        "event 1, version: 2 wanted, 1 found"
    )
    by_eve = new_event("Taken", who="ada", metadata={"actor": "eve"})
    assert first(by_eve) == "event 1, metadata actor: 'eve' is missing"
    outcome = given(subject, new_event("Filled", pieces=1)).when(Fill("s", 1))
    assert first(new_event("Filled", pieces=True)) == "event 1, data pieces: True wanted, 1 found"
    assert first(new_event("Filled", pieces=1.0)) == "event 1, data pieces: 1.0 wanted, 1 found"


def test_a_refusal_where_events_were_wanted_shows_the_reason(subject):
    text = failure(given(subject).when(Take("s", "ada")).then, TAKEN)
    assert "given            (nothing)\n" in text
    assert "got              rejected: the shelf is empty\n" in text
    assert text.endswith("first difference it was refused")
    # Nothing happened and refused are two things.
    assert "it was refused" in failure(given(subject).when(Take("s", "ada")).then)


def test_events_where_a_refusal_was_wanted(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))
    text = failure(outcome.then_rejected, "empty")
    assert "wanted           rejected, with 'empty' in the reason" in text
    assert text.endswith("first difference it was not refused")
    text = failure(given(subject).when(Take("s", "a")).then_rejected, "sold out")
    assert text.endswith("first difference the reason has no 'sold out'")
    nothing = given(subject, FILLED).when(Nothing("s"))
    assert "it was not refused" in failure(nothing.then_rejected)


def test_metadata_counts_where_it_is_wanted():
    subject = Decider(
        0, lambda c, s: [new_event("X", metadata={"actor": "ada", "n": 1})], lambda s, e: s
    )
    outcome = given(subject).when("anything")
    outcome.then(new_event("X"))
    outcome.then(new_event("X", metadata={"actor": "ada"}))
    assert "'eve' wanted, 'ada' found" in failure(
        outcome.then, new_event("X", metadata={"actor": "eve"})
    )


def test_the_events_given_stay_as_they_were():
    class Greedy(Aggregate):
        def __init__(self):
            self.n = 0

        def apply(self, event):
            event.data.clear()

        def act(self):
            self.record("Acted")

    listed = new_event("Had", items=[1])
    given(Greedy, listed).when(lambda it: it.act()).then(new_event("Acted"))
    assert listed.data == {"items": [1]}


def test_an_outcome_reads_as_a_sentence(subject):
    outcome = given(subject, FILLED).when(Take("s", "ada"))
    asked = "when Take(aggregate_id='s', who='ada'), then"
    assert repr(outcome) == f'given 1 event, {asked} 1 Taken {{"who":"ada"}}'
    refused = given(subject).when(Take("s", "ada"))
    assert repr(refused) == f"given 0 events, {asked} rejected: the shelf is empty"
    assert repr(given(subject).when(Nothing("s"))).endswith("then (nothing)")


def test_a_function_may_ask_an_aggregate():
    given(Shelf, FILLED).when(lambda shelf: shelf.take("ada")).then(TAKEN)
    text = failure(given(Shelf, FILLED).when(lambda shelf: shelf.take("ada")).then)
    assert "when             a function" in text


def test_misuse_is_named():
    with pytest.raises(InvalidCommandError, match=r"given\(\) takes an aggregate class"):
        given(Shelf())
    with pytest.raises(InvalidCommandError, match=r"given\(\) takes events"):
        given(Shelf, "Filled")
    with pytest.raises(InvalidCommandError, match=r"when\(\) takes a command"):
        given(Shelf).when("Take")
    with pytest.raises(InvalidCommandError, match=r"then\(\) takes events"):
        given(Shelf).when(Fill("s", 1)).then("Filled")
    with pytest.raises(ZeroDivisionError):
        given(Shelf).when(lambda shelf: 1 / 0)


@examples(st.lists(st.sampled_from([FILLED, TAKEN]), max_size=4))
def test_then_is_true_only_for_what_happened(wanted):
    two = Decider(0, lambda c, s: [FILLED, TAKEN], lambda s, e: s)
    outcome = given(two).when("x")
    if [e.type for e in wanted] == ["Filled", "Taken"]:
        outcome.then(*wanted)
    else:
        failure(outcome.then, *wanted)
