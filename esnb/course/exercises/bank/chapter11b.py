"""Exercises to chapter 11b: a cut tail, what a hash covers, copies of a name, a moved seal."""

from __future__ import annotations

import base64
import functools
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import duckdb
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from esnb import Aggregate, EventStore, LessonClock, Projection, Projector, handles
from esnb.course.exercises.engine import variety
from esnb.course.exercises.engine.registry import Chapter
from esnb.course.exercises.engine.trial import Trial
from esnb.course.exercises.engine.verdicts import attempt, first_line
from esnb.events import Event, new_event
from esnb.interchange import write_jsonl
from esnb.privacy import KeyVault, forget
from esnb.shop import first_orders
from esnb.store.readonly_sql import shut

chapter = Chapter("11b_forgetting_and_proof")


# --- 11b-2 --------------------------------------------------------------------------------------


@functools.cache
def _shop_file() -> tuple[bytes, str]:
    """The file of the shop's first eight events, its guards taken away, and its proof."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.duckdb"
        with EventStore(path, clock=LessonClock()) as store:
            first_orders(store)
            proof = str(store.proof)
        with duckdb.connect(str(path)) as raw:
            for table in ("events", "chain"):
                for act in ("update", "delete"):
                    raw.execute(f"drop trigger if exists {table}_refuse_{act} on {table}")
        return path.read_bytes(), proof


@chapter.exercise(
    "11b-2",
    form="Break it",
    title="Nothing found",
    section="Who computes it for you?",
    stub="""
statements = ["delete from events where position > 6"]
""",
    todo="The list is still the one that `verify` sees through. Change it, run the cell, and check "
    "again.",
    hints=(
        "Two events are gone. Who in the file still remembers that they were there?",
        "The file has two tables, `events` and `chain`. A finding is a place where they disagree.",
        'statements = ["delete from events where position > 6", "delete from ..."]',
    ),
    right="`verify()` finds nothing, since what is left fits. A proof kept elsewhere says at once "
    "that the end is missing. So keep one.",
    mistakes={
        "chain-remembers": "The events are gone, and the chain still speaks of them.",
        "events-without-chain": "Some events are there, and no entry of the chain speaks of them. "
        "They look as if somebody had put them in.",
        "in-the-middle": "Each value of the chain speaks for all events up to there. A change in "
        "the middle does not fit the values after it. Which place has nothing after it?",
        "nothing-changed": "Nothing was found, because the log is as it was.",
        "not-taken": "DuckDB does not take these statements.",
    },
)
def _nothing_found(answer: Any, trial: Trial) -> None:
    answer = [answer] if isinstance(answer, str) else answer
    trial.kind(answer, (list, tuple), "a list of SQL statements")
    content, proof = _shop_file()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.duckdb"
        path.write_bytes(content)
        with duckdb.connect(str(path)) as raw:
            shut(raw)
            query = "select * from events order by position"
            before = raw.sql(query).fetchall()
            came = attempt(lambda: [raw.execute(statement) for statement in answer])
            trial.require(
                not came.error, "not-taken", when=list(map(str, answer)), got=came.lines()
            )
            after = raw.sql(query).fetchall()
        came = attempt(lambda: _verified(path, proof))
    trial.require(not came.error, "not-taken", when=list(answer), got=came.lines())
    found, with_proof = came.value
    facts: dict[str, Any] = {"when": list(answer), "verify_says": str(found)}
    if not found.ok:
        last = max((row[0] for row in after), default=0)
        here = {finding.what for finding in found.findings if finding.position <= last}
        behind = any(finding.position > last for finding in found.findings)
        key = "in-the-middle" if here - {"inserted"} else "chain-remembers"
        trial.fail("events-without-chain" if here == {"inserted"} and not behind else key, **facts)
    trial.require(before != after, "nothing-changed", **facts)
    trial.require(not with_proof.ok, "other", **facts)


def _verified(path: Path, proof: str) -> tuple[Any, Any]:
    with EventStore(path) as store:
        return store.verify(), store.verify(proof)


# --- 11b-1 --------------------------------------------------------------------------------------

Rows = list[tuple[str, ...]]


class _Text(str):
    """A text as another process would have it: equal, and with another `hash`."""

    def __hash__(self) -> int:
        return super().__hash__() ^ 0x5EED


def _acts(rows: Rows) -> dict[str, tuple[str, Rows]]:
    """What somebody does to a log, each with the mistake of a proof that does not see it."""
    last = (rows[-1][0], rows[-1][1], rows[-1][2] + "0")
    first = (rows[0][0], rows[0][1], rows[0][2] + "0")
    moved = (rows[1][0] + rows[1][1][0], rows[1][1][1:], rows[1][2])
    over = [(*rows[1][:2], rows[1][2][:-1]), (rows[1][2][-1] + rows[2][0], *rows[2][1:])]
    return {
        "the last event is changed": ("end-unseen", [*rows[:-1], last]),
        "the first event is changed": ("only-the-end", [first, *rows[1:]]),
        "the first event is removed": ("only-the-end", rows[1:]),
        "the last event is removed": ("end-unseen", rows[:-1]),
        "two events change places": ("order-lost", [rows[0], rows[2], rows[1], *rows[3:]]),
        "a letter moves to the next column": ("columns-run-together", [rows[0], moved, *rows[2:]]),
        "a letter moves to the next event": ("events-run-together", [rows[0], *over, *rows[3:]]),
    }


@chapter.exercise(
    "11b-1",
    form="Bug hunt",
    title="The proof that saw no swap",
    section="Can a hash tell?",
    stub="""
def proof_of(rows):
    proof = ""
    for row in sorted(rows):
        text = "".join(row)
        proof = sha256((proof + text).encode()).hexdigest()
    return proof
""",
    todo="The function is still the one with the two bugs. Change it, run the cell, and check "
    "again.",
    hints=(
        "Two events change places. What does the third line do with them?",
        '"ab" and "c" joined is the same text as "a" and "bc". A separator that occurs in no '
        "column keeps them apart.",
        'def proof_of(rows):\n    proof = ""\n    for row in rows:',
    ),
    right="Order, columns, first and last: each act gives another value. What a hash covers is "
    "decided by the text that you make for it.",
    mistakes={
        "separator-in-a-column": "What you put between the columns may be in a column as well, "
        "and then two different rows make one text. Take a character that no text holds, or write "
        "lengths or quotes.",
        "order-lost": "Two events changed places, and the proof is the same. The order of a log is "
        "a part of what it says.",
        "columns-run-together": "A letter moved from one column to the next, and the proof is the "
        "same. As one text, both rows look alike.",
        "events-run-together": "A letter moved from the end of an event to the next one, and the "
        "proof is the same. Where does one event end in your text?",
        "only-the-end": "The beginning of the log is another one, and the proof is the same. Does "
        "each step take in the value of the step before?",
        "end-unseen": "The end of the log is another one, and the proof is the same. Does every "
        "row go into it, and the whole of it?",
        "another-tomorrow": "The same log has another proof in the next run of Python. A proof is "
        "kept for years, so nothing may go into it but the events. Python's own `hash` differs "
        "from run to run.",
    },
)
def _saw_no_swap(answer: Any, trial: Trial) -> None:
    trial.function(answer, "proof_of(rows)")
    types = ("OrderPlaced", "PaymentReceived", "OrderShipped", "OrderCancelled")
    for length in (4, 5, 7):
        trial.case("")
        rows: Rows = [
            (
                f"order-{trial.rng.randint(100, 999)}",
                trial.rng.choice(types),
                f"amount={trial.rng.randint(100, 9999)}",
            )
            for _ in range(length)
        ]
        rows[1:3] = [(f"order-{n}", "PaymentReceived", f"amount={n}9") for n in (20, 10)]
        proof = trial.call(answer, list(rows), given=rows)
        trial.kind(proof, (str, bytes, int), "a text, such as the digits of a hash", given=rows)
        twin = [tuple(_Text(column) for column in row) for row in rows]
        again = trial.call(answer, twin, given=rows)
        trial.require(
            proof == again,
            "another-tomorrow",
            given=rows,
            first_answer=str(proof),
            second_answer=str(again),
        )
        for act, (mistake, forged) in _acts(rows).items():
            seen = trial.call(answer, list(forged), given=forged) != proof
            trial.require(
                seen,
                mistake,
                given=rows,
                when=act,
                the_log_now=forged,
                got=f"{proof!s:.16}... for both",
            )
    _separated(answer, trial)


def _separated(answer: Any, trial: Trial) -> None:
    """What is put between the columns must not be in one of them."""
    for mark in "-= |,;:/_#+*&~.\n\t":
        one: Rows = [(f"order{mark}1{mark}Paid", "Placed", "x"), ("order-2", "Paid", "y")]
        other: Rows = [(f"order{mark}1", f"Paid{mark}Placed", "x"), ("order-2", "Paid", "y")]
        seen = trial.call(answer, list(one), given=one) != trial.call(answer, list(other))
        if not seen and mark not in "-=":
            trial.remark(
                f"One trap is left: a text that holds {mark!r} itself would move unseen. A "
                f"character "
                "that no text holds, or a length before each column, is safe."
            )
        elif not seen:
            trial.fail(
                "separator-in-a-column",
                given=one,
                the_log_now=other,
                when=f"the columns hold {mark!r}",
                got="the same value for both",
            )


# --- 11b-6 --------------------------------------------------------------------------------------

NAME = "Ada Novak"
PLACES = {
    "the data of the event": "log",
    "the metadata of the event": "metadata",
    "her snapshot": "copies",
    "the read model": "copies",
    "the data in a JSON Lines export": "export",
    "a CSV file of the read model": "copies",
}


class _Customer(Aggregate):
    aggregate_type, snapshot_every = "CUSTOMER", 1

    def __init__(self) -> None:
        self.name: str | None = None

    def apply(self, event: Event) -> None:
        self.name = event.data.get("name", self.name)


class _List(Projection):
    tables: ClassVar = {"customers": "id varchar, name varchar"}

    @handles("CustomerRegistered")
    def registered(self, db: Any, event: Event) -> None:
        db.execute(
            "insert into customers values (?, ?)", [event.data["customer"], event.data["name"]]
        )


@functools.cache
def _where_it_stands() -> dict[str, str]:
    """Use a store, forget the person, and search the text of each place for the name."""
    vault = KeyVault(personal={"CustomerRegistered": {"customer": ["name"]}})
    with (
        tempfile.TemporaryDirectory() as folder,
        EventStore(clock=LessonClock(), vault=vault) as store,
    ):
        ada = store.new(_Customer, "customer-c-17")
        ada.record("CustomerRegistered", customer="c-17", name=NAME)
        ada.pending[-1].metadata["actor"] = NAME
        store.save(ada)
        customers = Projector(store, _List)
        customers.catch_up()
        export = Path(folder) / "log.jsonl"
        write_jsonl(store, export)
        csv = customers.df().to_csv()
        forget(store, "c-17")
        event = store.sql("select event_data, metadata from events where position = 1").fetchone()
        assert event is not None
        texts = [
            event[0],
            event[1],
            str(store.sql("select state_json from snapshots").fetchall()),
            str(customers.sql("from customers").fetchall()),
            # The actor is in the metadata of each line; asked is about the data.
            export.read_text("utf-8").replace(f'"actor":"{NAME}"', ""),
            csv,
        ]
        return dict(zip(PLACES, map(str, texts), strict=True))


@chapter.exercise(
    "11b-6",
    form="Predict",
    title="Where does she still stand?",
    section="Where does the name still stand?",
    stub="""
stands_there = {
    "the data of the event": ...,
    "the metadata of the event": ...,
    "her snapshot": ...,
    "the read model": ...,
    "the data in a JSON Lines export": ...,
    "a CSV file of the read model": ...,
}  # True: her name can be read there; False: it cannot
""",
    hints=(
        "Which of them were made from the event as it is stored, and which from the event as it "
        "is read?",
        "An event is sealed before it is stored, in the fields that the vault names. Everything "
        "that Python read while there was a key saw the name.",
        '"the data of the event": False,',
    ),
    right="A destroyed key closes what is sealed, wherever that was copied. It does not reach what "
    "was read before, nor a field that nobody sealed.",
    mistakes={
        "the-log-forgets-nothing": "The data of the event never held the name, only a sealed "
        "value. And its key is gone.",
        "metadata-is-sealed": "The vault names the field `name` of the data. Nothing of the "
        "metadata is sealed.",
        "copies-follow": "This was made while there was a key, from the event as Python reads it. "
        "Nobody has told it since.",
        "exports-are-open": "The export has the rows as they are stored. What is sealed there is "
        "sealed here, and with the same key.",
        "not-true-or-false": "Keep the six lines, and give each True or False.",
    },
)
def _where_she_stands(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the six places")
    fits = answer.keys() == PLACES.keys() and all(
        value in (True, False) for value in answer.values()
    )
    trial.require(fits, "not-true-or-false", got=[f"{k}: {v!r}" for k, v in answer.items()])
    keys = {
        "log": "the-log-forgets-nothing",
        "metadata": "metadata-is-sealed",
        "copies": "copies-follow",
        "export": "exports-are-open",
    }
    for place, text in _where_it_stands().items():
        trial.require(
            bool(answer[place]) == (NAME in text),
            keys[PLACES[place]],
            when=place,
            got=f"you said {answer[place]}",
            it_holds=text.strip()[:300],
        )


# --- 11b-4 --------------------------------------------------------------------------------------

Row = dict[str, Any]
_FACTS = (
    ("customer-c-17", 1, "name"),
    ("customer-c-17", 1, "street"),
    ("customer-c-17", 4, "street"),
    ("customer-c-18", 1, "name"),
    ("customer-c-18", 1, "street"),
)


def _sealed(trial: Trial) -> tuple[list[Row], Callable[[Row], str]]:
    """Rows with a seal bound to stream and field, and how to open one."""
    ciphers = {s: AESGCM(trial.rng.randbytes(32)) for s in ("customer-c-17", "customer-c-18")}
    rows = []
    for stream, number, field in _FACTS:
        value = {"name": "Ada" if "17" in stream else "Ben"}.get(
            field, f"Mill Lane {trial.rng.randint(1, 99) + 100 * number}"
        )
        nonce = trial.rng.randbytes(12)
        box = nonce + ciphers[stream].encrypt(nonce, value.encode(), f"{stream} {field}".encode())
        rows.append(
            {
                "stream": stream,
                "number": number,
                "field": field,
                "box": base64.b64encode(box).decode(),
            }
        )

    def opened(row: Row) -> str:
        box = base64.b64decode(row["box"], validate=True)
        bound = f"{row['stream']} {row['field']}".encode()
        return ciphers[row["stream"]].decrypt(box[:12], box[12:], bound).decode()

    return rows, opened


def _place(row: Row) -> tuple[Any, ...]:
    return row["stream"], row["number"], row["field"]


@chapter.exercise(
    "11b-4",
    form="Break it",
    title="A seal on the wrong letter",
    section="What if the log never held the name?",
    stub="""
def swap(rows):
    \"\"\"Give each box a place, so that all of them open, and Ada lives where she did not.\"\"\"
    return rows
""",
    todo="The rows are as they were. Change the function, run the cell, and check again.",
    hints=(
        "You have no key, so you cannot make a box. But you can put one elsewhere.",
        "A box opens only in the stream and in the field that it was sealed for. Which two boxes "
        "agree in both?",
        'rows[1]["box"], rows[2]["box"] = ...',
    ),
    right="Both boxes open, and her old street is her new one. So a seal has to be bound to the "
    "sequence number, too, and the store does that.",
    mistakes={
        "another-person": "This box was sealed for another person, with another key. It does not "
        "open here.",
        "another-field": "This box was sealed for another field. The key is the right one, and the "
        "field is bound to the seal, so it does not open.",
        "made-up-box": "This box was never sealed by anybody. Without the key you cannot make one "
        "that opens.",
        "rows-lost": "A row is missing, or there is one too many. Somebody would notice that "
        "without any key. Move boxes only.",
        "nothing-changed": "All boxes open, and everybody lives where they did. The order of the "
        "rows in the list says nothing; what counts is the number in the row.",
    },
)
def _wrong_letter(answer: Any, trial: Trial) -> None:
    trial.function(answer, "swap(rows)")
    rows, opened = _sealed(trial)
    given = [dict(row) for row in rows]
    came = trial.call(lambda: [answer(given)])[0]
    moved = given if came is None else came
    trial.kind(moved, (list, tuple), "the list of rows")
    fits = all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in moved)
    lost = not fits or sorted(map(_place, moved)) != sorted(map(_place, rows))
    trial.require(not lost, "rows-lost", given=_brief(rows), got=_brief(moved))
    home = {row["box"]: row for row in rows}
    for row in moved:
        came_out = attempt(partial(opened, row))
        if not came_out.error:
            continue
        facts: dict[str, Any] = {
            "given": _brief(rows),
            "when": _words(row),
            "got": "the box does not open",
        }
        trial.require(row["box"] in home, "made-up-box", **facts)
        facts["its_box"] = f"was sealed for {_words(home[row['box']])}"
        assert isinstance(came_out.error, InvalidTag)
        same_person = home[row["box"]]["stream"] == row["stream"]
        trial.fail("another-field" if same_person else "another-person", **facts)
    reads = {_place(row): opened(row) for row in moved}
    wanted = {_place(row): opened(row) for row in rows}
    trial.require(reads != wanted, "nothing-changed", given=_brief(rows), got=_brief(moved))


def _words(row: Row) -> str:
    return f"{row['stream']} number {row['number']}, {row['field']}"


def _brief(rows: Any) -> list[str]:
    return [
        f"{_words(row)}: {row['box']!s:.8}..."
        if isinstance(row, dict) and {"stream", "number", "field", "box"} <= row.keys()
        else f"{row!r:.80}"
        for row in rows
    ]


# --- 11b-3 --------------------------------------------------------------------------------------

FATES = {
    "another event is appended": "later-events-count",
    "event 8 is changed": "the-last-is-covered",
    "event 3 is removed": "the-middle-is-covered",
    "the file is copied to another disk": "a-copy-is-the-log",
}


@functools.cache
def _what_holds() -> dict[str, bool]:
    """Whether a proof of position 8 still holds, asked of a real file in each of the cases."""
    content, proof = _shop_file()
    acts = {
        "event 8 is changed": "update events set event_type = 'Other' where position = 8",
        "event 3 is removed": "delete from events where position = 3",
    }
    holds = {}
    for fate in FATES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "shop.duckdb"
            path.write_bytes(content)
            if fate in acts:
                with duckdb.connect(str(path)) as raw:
                    raw.execute(acts[fate])
            with EventStore(path, clock=LessonClock()) as store:
                if fate == "another event is appended":
                    refund = new_event("RefundIssued", amount=100, reason="goodwill")
                    store.append("order-1044", [refund], expected_version=0, aggregate_type="ORDER")
                holds[fate] = store.verify(proof).ok
    return holds


@chapter.exercise(
    "11b-3",
    form="Predict",
    title="Does the old proof still hold?",
    section="What if somebody rewrites the chain too?",
    stub="""
holds = {
    "another event is appended": ...,
    "event 8 is changed": ...,
    "event 3 is removed": ...,
    "the file is copied to another disk": ...,
}  # True: verify(proof of position 8) finds nothing
""",
    hints=(
        "Each value of the chain speaks for the log *up to there*.",
        "The proof was taken at position 8. Which of the four changes anything at or before it?",
        'holds = {"another event is appended": True,',
    ),
    right="Nothing that comes later can change the value at 8, and everything up to it does. So "
    "one short text, kept elsewhere, speaks for the whole past.",
    mistakes={
        "later-events-count": "The value at 8 was computed before there was an event 9.",
        "the-last-is-covered": "The value at 8 is made of event 8 and of the value before it.",
        "the-middle-is-covered": "Every value takes in the value before it. What happens to event "
        "3 "
        "is seen at 3, and at all positions after it.",
        "a-copy-is-the-log": "A copy has the same events. A proof speaks for what is in the log, "
        "and "
        "not for where the file is.",
        "not-true-or-false": "Keep the four lines, and give each True or False.",
    },
)
def _still_holds(answer: Any, trial: Trial) -> None:
    trial.kind(answer, dict, "the dict of the four cases")
    fits = answer.keys() == FATES.keys() and all(said in (True, False) for said in answer.values())
    trial.require(fits, "not-true-or-false", got=[f"{k}: {v!r}" for k, v in answer.items()])
    for fate, truth in _what_holds().items():
        trial.require(
            bool(answer[fate]) == truth, FATES[fate], when=fate, got=f"you said {answer[fate]}"
        )


# --- 11b-5 --------------------------------------------------------------------------------------

GONE = "(forgotten)"
People = list[dict[str, str]]
CROWDS = ("two people with one name", "several forgotten people", "somebody registered twice")


def _crowd(trial: Trial, kind: str) -> People:
    """Registrations: an id and a name each; some forgotten, some with one name, some twice."""
    names = ["Ada Novak", "Ben Okafor", "Cleo Marsh"]
    people = [
        {"customer": f"c-{17 + n}", "name": trial.rng.choice(names)}
        for n in range(trial.rng.randint(1, 4))
    ]
    if kind == CROWDS[0]:
        people += [
            {"customer": "c-40", "name": "Ada Novak"},
            {"customer": "c-41", "name": "Ada Novak"},
        ]
    elif kind == CROWDS[1]:
        people += [{"customer": f"c-{50 + n}", "name": GONE} for n in range(2)]
    else:
        people += [dict(trial.rng.choice(people)), {"customer": "c-60", "name": GONE}]
    trial.rng.shuffle(people)
    return people


def _by_ids(people: People) -> int:
    ids = sorted(person["customer"] for person in people)
    return sum(n == 0 or ids[n - 1] != one for n, one in enumerate(ids))


@chapter.exercise(
    "11b-5",
    form="Bug hunt",
    title="Two people, one name",
    section="What remains of a forgotten person?",
    stub="""
def count_customers(registered):
    return len({data["name"] for data in registered})
""",
    todo="The report still counts names. Change it, run the cell, and check again.",
    hints=(
        "Forget two people in your head. How many different names are left?",
        "A name may be shared, changed and forgotten. Which field is one for each person, and "
        "stays?",
        'len({data["customer"] for data in registered})',
    ),
    right="Ids count people, whether they are forgotten or not. Never use personal data as a key.",
    mistakes={
        "counts-names": "All forgotten people have one name, and two people may share one. Names "
        "do "
        "not count people.",
        "counts-rows": "Somebody registered twice, and is one customer.",
        "leaves-out-the-forgotten": "A forgotten person is still a customer that the shop had. "
        "Only "
        "the name is gone.",
        "forgotten-count-as-one": "The forgotten count as one here, and they are several people.",
    },
    cases=CROWDS,
    varies={
        "forgotten people": variety.some(lambda people: any(p["name"] == GONE for p in people)),
        "somebody twice": variety.some(lambda people: _by_ids(people) < len(people)),
        "lengths": variety.lengths(3),
    },
)
def _two_people(answer: Any, trial: Trial) -> None:
    trial.function(answer, "count_customers(registered)")
    cases = {kind: [_crowd(trial, kind) for _ in range(6)] for kind in CROWDS}
    there = partial(_but_forgotten, one=0)
    trial.compare(
        answer,
        _by_ids,
        cases,
        legal=bool,
        models={
            "counts-names": lambda people: len({p["name"] for p in people}),
            "counts-rows": len,
            "leaves-out-the-forgotten": there,
            "leaves-out-the-forgotten 2": lambda people: sum(p["name"] != GONE for p in people),
            "forgotten-count-as-one": partial(_but_forgotten, one=1),
        },
    )


def _but_forgotten(people: People, *, one: int) -> int:
    known = {p["customer"] for p in people if p["name"] != GONE}
    return len(known) + one * any(p["name"] == GONE for p in people)


# --- 11b-7 --------------------------------------------------------------------------------------

LETTERS: dict[str, tuple[tuple[str, str], ...]] = {
    "two people, two reasons": (("c-17", "asked by letter"), ("c-18", "account closed")),
    "one person": (("c-19", "asked by telephone"),),
    "nobody yet": (),
}


def _asked_to_forget(people: Sequence[tuple[str, str]]) -> EventStore:
    """A shop of three customers, of whom some were forgotten, a day apart."""
    vault = KeyVault(personal={"CustomerRegistered": {"customer": ["name"]}})
    clock = LessonClock()
    store = EventStore(clock=clock, vault=vault)
    for person in ("c-17", "c-18", "c-19"):
        event = new_event("CustomerRegistered", customer=person, name=NAME)
        store.append(f"customer-{person}", [event], expected_version=0, aggregate_type="CUSTOMER")
    for person, reason in people:
        clock.advance(days=1)
        forget(store, person, reason=reason)
    return store


@chapter.exercise(
    "11b-7",
    form="Fill in",
    title="Whom did the shop forget?",
    section="Where does the name still stand?",
    stub='''
query = """
    select event_type, count(*) as events
    from events group by all order by all
"""
''',
    todo="The query still counts events. Change it, run the cell, and check again.",
    hints=(
        "That somebody was forgotten is an event, too. What is it called?",
        "The event is `PersonForgotten`. Its data has the `person` and the `reason`, and the time "
        "is "
        "`occurred_at`.",
        "select event_data->>'$.person' as person, ...",
    ),
    right="Who, when and why: the log says so, and nothing of what was forgotten.",
    mistakes={
        "other-events": "These rows are not about forgetting. Ask for `PersonForgotten` only.",
        "without-who": "The rows do not say whom it was about. The data of the event has a "
        "`person`.",
        "without-why": "The rows do not say why. The reason is in the data of the event.",
        "without-when": "The rows do not say when. The time of an event is `occurred_at`.",
        "more-columns": "The rows have more columns than who, when and why.",
        "not-a-query": "The engine does not take this query.",
    },
    cases=tuple(LETTERS),
    varies={
        "people": variety.several(len, 3),
        "reasons": lambda seen: len({why for people in seen for _, why in people}) > 2,
    },
)
def _whom(answer: Any, trial: Trial) -> None:
    trial.kind(answer, str, "the text of a query")
    for name, people in LETTERS.items():
        if trial.case(name, people):
            _one_inspection(answer, trial, people)


def _one_inspection(answer: str, trial: Trial, people: Sequence[tuple[str, str]]) -> None:
    store = _asked_to_forget(people)
    came = attempt(lambda: store.sql(answer).fetchall())
    if came.error:
        trial.fail("not-a-query", got=first_line(came.error))
    noted = [event for event in store.read_all() if event.type == "PersonForgotten"]
    wanted = [
        {person, reason, f"{event.occurred_at:%Y-%m-%d %H:%M}"}
        for (person, reason), event in zip(people, noted, strict=True)
    ]
    # In which order rows and columns stand is not asked for, nor how the time is written.
    got = [{_minute(part) for part in row} for row in came.value]
    if sorted(map(sorted, got)) == sorted(map(sorted, wanted)):
        return
    rows: dict[str, Any] = {
        "got": [str(row) for row in came.value][:6] or "no row",
        "wanted": [str(sorted(row)) for row in wanted] or "no row",
    }
    trial.require(len(got) == len(wanted), "other-events", **rows)
    for key, values in (
        ("without-who", {person for person, _ in people}),
        ("without-why", {reason for _, reason in people}),
        ("without-when", {f"{event.occurred_at:%Y-%m-%d %H:%M}" for event in noted}),
    ):
        trial.require(all(row & values for row in got), key, **rows)
    trial.fail("more-columns" if any(len(row) > 3 for row in got) else "other", **rows)


def _minute(part: Any) -> str:
    """A value as text; a time to the minute."""
    text = f"{part:%Y-%m-%d %H:%M}" if isinstance(part, datetime) else str(part)
    stamp = re.match(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)", text)
    return f"{stamp[1]} {stamp[2]}" if stamp else text
