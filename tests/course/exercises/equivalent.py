"""Mutants of right answers that are right as well, each with the reason.

For an exercise: a pattern of `number: what was changed` (the number of the answer, 0 is the
solution), and why such a change makes no difference to what the task asks for.
"""

_TEXT = "a text for people, which the task leaves free"
_TRIES = "a few tries more or less: the task names no number, and a refusal may come out"
_LETS_OUT = "a refusal may come out as well, says the task"

EQUIVALENT: dict[str, dict[str, str]] = {
    "01-3": {r"\d+: (a dict without 'items'|'items' -> .*)": "what else the fact says is free"},
    "01-5": {
        r"\d+: ('(taken back|typo|correction)' -> .*|new_event without reason)": _TEXT,
        r"\d+: 'CreditReversed' -> 'CreditSpent'": "both take the amount off the balance",
        r"\d+: list\(events\) -> events": "the list was handed over, and is the answer's own",
        r"\d+: always wrong.type == 'CreditSpent'": "the last of the two types there are",
        r"\d+: (wrong.data\['amount'\] // 2 -> .*|2 -> [13])": "any two parts add up to the whole",
        r"\d+: \(new_event\('CreditSpent', amount=half\).*": "the two parts in the other order",
    },
    "02-1": {
        r"\d+: letter.sequence_number -> letter.position": "within one stream both rise together",
        r"\d+: tuple\(result\) -> result": "a list or a tuple of letters",
    },
    "02-3": {
        r"\d+: '(mallory|eve)' -> .*": "any other customer is a forgery",
        r"\d+: (7 -> [68]|1 -> [02]|0 -> -1)": "any other quantity, price or place is a forgery",
        r"\d+: 'OrderPlaced' -> .*": "the line after it puts another event there",
        r"\d+: without (number = len\(forged\)|forged\[0\] = new_event.*)": "never used",
        r"\d+: len\(forged\) -> forged": "never used",
        r"\d+: tuple\(forged\) -> forged": "a list or a tuple of events",
        r"\d+: replace\(e, event_data=.* -> replace\(e, .*": "further events may be forged as well",
        r"\d+: (a dict without 'price'|'price' -> .*|'items' -> .*)": "another story all the same",
    },
    "03-2": {
        r"\d+: without continue": "the loop goes on by itself",
        r"\d+: 100 -> (99|101)": "still more tries than there are rivals",
        r"\d+: store.events without upto": "an older version with it is refused",
        r"\d+: (without print.*|print\(.*|'again' -> .*)": _TEXT,
    },
    "03-4": {
        r"\d+: str\(sale.event_id\) -> sale.event_id": "an id or its text",
        r"\d+: sale.sequence_number -> sale.position": "the id is looked at before the version",
        r"\d+: (a dict without \*\*sale.data|sale.data -> sale.metadata)": "a sale has a buyer",
    },
    "03-5": {
        r"\d+: without continue": "the loop goes on by itself",
        r"\d+: return .* -> (nothing is returned|return .*)": "the task asks for the sale",
        r"\d+: done.version -> done.position": "the task asks for the sale",
        r"\d+: buyer( -> (store|sale)| written down)": "not looked at once there is a sale",
    },
    "04-3": {
        r"\d+: order_id -> (store|post)": "the letter need not name the order",
        r"\d+: (parcel.ship without carrier|'(: sent today|To )' -> .*)": _TEXT,
        r"\d+: store.save\(parcel\).version -> .*": "both are above 0",
        r"\d+: (for _ in range\(5\).*|5 -> [46])": _TRIES,
        r"\d+: (without the except|except \w+: raise)": _LETS_OUT,
        r"\d+: (for event in done.events.*|always event.type == 'OrderShipped')": "one event",
        r"\d+: return done -> (nothing is returned|return .*)": "nobody asks what ship() returns",
    },
    "04-5": {
        r"\d+: always event.type == 'ItemRemoved'": "a basket has three types of events",
        r"\d+: dict\(line\) -> line": "a line is never changed, so it may be shared",
    },
    "05-4": {r"\d+: int\(fit.number.max\(\)\) -> .*": "a whole number of numpy"},
    "06-2": {r"\d+: without order by at \d+": "the rows may come in any order"},
    "06-4": {r"\d+: int\(high\['sequence_number'\].*": "a whole number of numpy"},
    "07-1": {
        r"\d+: '[^']*(open|left|no|opened|empty)[^']*\.?' -> .*": _TEXT,
        r"\d+: new_event without reason": _TEXT,
    },
    "07-2": {
        r"\d+: (without given.*|\(.*|new_event without reason|'.*' -> .*|\d+ -> \d+)": (
            "all six broken rules are still caught by the other sentences, or by this one"
        ),
        r"\d+: OpenAccount\(.*": "an open account is refused whatever it is called",
    },
    "07-3": {
        r"\d+: return .* -> (nothing is returned|return .*)": "nobody asks what clerk() returns",
        r"\d+: '(order-|ORDER)' -> .*": "the name of the order is free",
        r"\d+: (buyer -> store|buyer written down)": "the name of the order is free",
        r"\d+: AppendCondition without after": "then it asks about the whole log, which is safer",
        r"\d+: (for _ in range\(3\).*|3 -> [24])": _TRIES,
        r"\d+: (without the except|except ConcurrencyError: raise|without continue)": _LETS_OUT,
        r"\d+: 'sold out' -> .*": _TEXT,
    },
    "09-2": {
        r"\d+: return (True|False) -> (nothing is returned|return .*)": "as true, or as false",
        r"\d+: return projector.position >= .* -> return (1|True)": "the write is there by then",
        r"0: projector -> appended": "after wait_for the page has the write, or an error came out",
        r"\d+: without time.sleep\(0.001\)": "it looks more often",
        r"\d+: time.monotonic\(\) > end -> .*": "a moment earlier or later",
        r"\d+: (without the except|except LagTimeoutError: raise)": "the error may come out",
        r"\d+: (projector.wait_for without timeout|1 -> [02])": "the time it waits is free",
    },
    "09-4": {
        r"0: event.sequence_number > .* -> .* >= .*": "the same event once more writes the same",
        r"\d+: 0 -> -1": "below every sequence number",
        r"\d+: max\(\(number, ''\).* -> max.*": "the larger of two, in any order",
        r"\d+: max without key": "pairs are compared by their number first",
        r"\d+: event.sequence_number -> event.position": "within one order both rise together",
        r"\d+: event.position -> event.sequence_number": "within one order both rise together",
    },
    "09-5": {
        r"0: for event in store.read_all.* once": "it returns at the first event",
        r"\d+: 0 -> -1": "the only column is the last one as well",
    },
    "10-3": {
        r"\d+: \['ItemAdded', 'ItemRemoved'\] -> .*": "the same two types",
        r"4: (without (parcels|both) = .*|.*merge without on|.*'OrderShipped'.*)": "never used",
    },
    "10-1": {
        r"\d+: (orders.loc\[paid.index.* -> .*|0 -> -?1)": "any moment before the first parcel",
        r"\d+: paid -> orders": "further rows find no place in `paid`",
    },
    "10-5": {
        r"\d+: \(paid, spans\) -> .*": "two empty dicts",
        r"3: (without both = .*|changed.merge without on|.*'Item(Added|Removed)'.*)": "never used",
        r"3: paid.merge without how": "an order without a parcel is left out either way",
    },
    "10-6": {
        r"0: \(out, back\) -> .*": "two empty sets",
        r"\d+: event.type == 'ItemAdded' and .* -> .*": "what is out can only be put in",
        r"\d+: \('ItemAdded', 'ItemRemoved'\) -> .*": "the same two types",
        r"2: (out < back.*|e.position -> .*)": "two events of one order are at two places",
    },
    "11-2": {r"\d+: int\(Decimal.* -> .*": "a whole number of cents as a Decimal"},
    "11-3": {
        r"1: (1 -> [02]|\('.*)": "a version may stand behind the data; the order of keys is free"
    },
    "11-5": {
        r"0: return None -> (nothing is returned|return .*)": "without a return it is None",
        r"\d+: \('amount', 'paid'\) -> .*": "the same two fields",
        r"\d+: int\(Decimal.* -> .*": "a whole number of cents as a Decimal",
    },
    "11-8": {
        r"\d+: (new_event without reason|'(mistyped|x|event)' -> .*)": _TEXT,
        r"2: (a dict without 'instead_of'|'instead_of' -> .*|wrong.event_id -> .*)": _TEXT,
        r"2: (list\(events\) -> events|tuple\(log\) -> log)": "a list or a tuple of the events",
    },
    "11b-1": {
        r"3: return sha256\(b''\).* -> return .*": "any fixed start of the chain",
        r"\d+: (\[number, \*row\]|\(\*before, last\)) -> .*": "another fixed order of the text",
    },
    "11b-4": {
        r"\d+: return rows -> (nothing is returned|return .*)": "changed in place",
        r"0: (1 -> 2|2 -> 1)": "a box may be put into both places",
        r"1: \(old, new\) -> .*": "they change places either way",
        r"2: reversed\(rows\) -> rows": "the order of the list says nothing",
    },
    "11b-7": {
        r"\d+: occurred_at -> recorded_at at \d+": "it is noted at the moment it happens",
        r"0: reason -> actor at \d+": "the name of a column",
        r"\d+: (without order by|position -> sequence_number) at \d+": "rows in any order",
    },
    "12-3": {
        r"1: (any -> all|'sold' -> 'lamp'|'sold to ben' -> 'sold')": "there is one record then",
        r"2: .*moment (==|!=) 'after the send'.*": "the moment after Ada's look is as good",
    },
    "13-3": {r"2: Fraction\(.* -> .*": "a fraction or a number"},
    "read-2": {
        r"0: (always )?event.position > self.position( -> .*)?": "what is known is never looked at",
        r"2: (without self.seen.remove.*|dict without last|0 -> -?1|event.position > line.*)": (
            "kept longer, never needed, or written again with the same value"
        ),
    },
    "write-1": {
        r"\d+: (return False -> .*|'.*' -> '.*'|\d -> -?\d+|\(a, b\) -> .*|after\(.*)": (
            "all six broken stores are still caught"
        ),
        r"\d+: (e.sequence_number -> .*|ValueError.*|version -> position)": "all are still caught",
        r"\d+: (without print.*|print.*)": _TEXT,
    },
    "write-2": {
        r"\d+: without self.db.close\(\)": "the process opens its own file again",
        r"\d+: again and len\(again\) == len\(events\) -> .*": "no promise about half a repeat",
        r"\d+: events and all\(.* -> .*": "no promise about an append of nothing",
        r"\d+: without cursor.begin\(\)": "all checks are done before the first row goes in",
        r"\d+: Event without (aggregate_id|event_id)": "the promises do not ask for it",
        r"\d+: ('stream' -> 'data'|UUID.* -> .*)": "the promises do not ask for it",
        r"\d+: (aggregate_id|stream|events) -> \w+": "words of an error, or asked twice",
        r"\d+: ('.*'|again\[0\].event_id|str\(known\)) -> .*": "words of an error",
        r"\d+: (any -> all|all -> any|a.data != b.data or .*)": "no promise about half a repeat",
        r"\d+: (0 -> -1|-1 -> 1|\(a, b\) -> .*|zip\(.*)": "the same two or three events",
        r"\d+: str\((path or|event.event_id).* -> .*": "the database takes both",
        r"\d+: without order by at \d+": "the engine keeps the order of a small table",
        r"\d+: for event in events.* once": "no promise about half a repeat",
        r"\d+: super\(\).__init__ without clock": "any clock will do",
    },
}
