"""Answers to the exercises of chapter 03."""

NOTEBOOK = "03_conflicts"

RIGHT = {
    "03-1": [
        "expected = len(range(7))\nafterwards = expected + 2",
        "[expected, afterwards] = [7, 9]",
        "import numpy as np\nexpected, afterwards = np.array([7, 9])",
    ],
    "03-2": [
        """
def buy(store, buyer):
    for _ in range(100):
        version = store.version(LAMP)
        events = store.events(LAMP, upto=version)
        if left(events) < 1:
            return "sold out"
        sale = sold(buyer)
        try:
            store.append(LAMP, [sale], expected_version=version)
            return "bought"
        except ConcurrencyError as error:
            print("again", error.actual)
""",
    ],
    "03-3": [
        'ada_wins = "BABAAB"\nben_wins = "BBA" + "ABA"\n',
        "ada_wins = list('BAABAB')\nben_wins = 'baabba'",
    ],
    "03-4": [
        """
def steal(store, sale):
    store.append(LAMP, [new_event(sale.type, {"buyer": "ben"}, event_id=str(sale.event_id))],
                 expected_version=ANY)
""",
    ],
    "03-5": [
        """
def buy_over_a_bad_line(store, buyer):
    version, sale = store.version(LAMP), sold(buyer)
    done = None
    while done is None:
        try:
            done = store.append(LAMP, [sale], expected_version=version)
        except ConnectionError:
            pass
    return done.version
""",
    ],
}

WRONG = {
    "03-1": {
        "next-number": "expected, afterwards = 8, 9",
        "new-stream": "expected, afterwards = 0, 9",
        "counts-from-zero": "expected, afterwards = 6, 8",
        "append-counts-once": "expected, afterwards = 7, 8",
        "other": "expected, afterwards = 7, 10",
        "wrong-kind": "expected, afterwards = '7', '9'",
    },
    "03-2": {
        "two-looks": """
def buy(store, buyer):
    while left(store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=store.version(LAMP))
            return "bought"
        except ConcurrencyError:
            continue
    return "sold out"
""",
        "wrong-buyer": """
def buy(store, buyer):
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold("ben")], expected_version=len(events))
            return "bought"
        except ConcurrencyError:
            continue
    return "sold out"
""",
        "other-words": """
def buy(store, buyer):
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            return True
        except ConcurrencyError:
            continue
    return "sold out"
""",
        "gives-up 2": """
def buy(store, buyer):
    for _ in range(3):
        events = store.events(LAMP)
        if left(events) < 1:
            return "sold out"
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            return "bought"
        except ConcurrencyError:
            continue
    return "sold out"
""",
        "blind-retry": """
def buy(store, buyer):
    events = store.events(LAMP)
    if left(events) < 1:
        return "sold out"
    try:
        store.append(LAMP, [sold(buyer)], expected_version=len(events))
    except ConcurrencyError as error:
        store.append(LAMP, [sold(buyer)], expected_version=error.actual)
    return "bought"
""",
        "no-guard": """
def buy(store, buyer):
    if left(store.events(LAMP)) < 1:
        return "sold out"
    store.append(LAMP, [sold(buyer)], expected_version=ANY)
    return "bought"
""",
        "gives-up": """
def buy(store, buyer):
    events = store.events(LAMP)
    if left(events) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            return "bought"
        except ConcurrencyError:
            pass
    return "sold out"
""",
        "lets-it-through": """
def buy(store, buyer):
    events = store.events(LAMP)
    if left(events) < 1:
        return "sold out"
    store.append(LAMP, [sold(buyer)], expected_version=len(events))
    return "bought"
""",
        "says-sold-out-too-late": """
def buy(store, buyer):
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            return "bought"
        except ConcurrencyError:
            continue
""",
        "no-sale": """
def buy(store, buyer):
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            break
        except ConcurrencyError:
            continue
    return "bought"
""",
        "sells-twice": """
def buy(store, buyer):
    answer = "sold out"
    while left(events := store.events(LAMP)) > 0:
        try:
            store.append(LAMP, [sold(buyer)], expected_version=len(events))
            answer = "bought"
        except ConcurrencyError:
            continue
    return answer
""",
        "sells-nothing": """
def buy(store, buyer):
    while left(store.events(LAMP)) < 0:
        store.append(LAMP, [sold(buyer)], expected_version=store.version(LAMP))
        return "bought"
    return "sold out"
""",
        "endless": """
def buy(store, buyer):
    while True:
        events = store.events(LAMP)
        try:
            if left(events) > 0:
                store.append(LAMP, [sold(buyer)], expected_version=len(events))
                return "bought"
        except Exception:
            continue
""",
        "error": """
def buy(store, buyer):
    events = store.event(LAMP)
""",
        "wrong-arguments": """
def buy(store):
    return "bought"
""",
        "wrong-kind": "buy = 'bought'",
    },
    "03-3": {
        "wrong-letters": "ada_wins, ben_wins = 'BAABB', 'ABABBA'",
        "ada-reads-first": "ada_wins, ben_wins = 'AAABBB', 'ABABBA'",
        "ben-appends-first": "ada_wins, ben_wins = 'BBBAAA', 'ABABBA'",
        "appends-before-both-decided": "ada_wins, ben_wins = 'BAAABB', 'BBBAAA'",
        "ada-appends-first": "ada_wins, ben_wins = 'BAAABB', 'BABAAB'",
    },
    "03-4": {
        "not-to-ben": """
def steal(store, sale):
    thief = new_event("PieceSold", buyer="mallory", event_id=sale.event_id)
    store.append(LAMP, [thief], expected_version=sale.sequence_number)
""",
        "swallows-the-error": """
def steal(store, sale):
    try:
        thief = new_event("PieceSold", buyer="ben", event_id=sale.event_id)
        store.append(LAMP, [thief], expected_version=ANY)
    except Exception as error:
        print(error)
""",
        "new-id": """
def steal(store, sale):
    thief = new_event("PieceSold", buyer="ben")
    store.append(LAMP, [thief], expected_version=store.version(LAMP))
""",
        "same-fact": """
def steal(store, sale):
    store.append(LAMP, [sale], expected_version=1)
""",
        "conflict": """
def steal(store, sale):
    store.append(LAMP, [sold("ben")], expected_version=1)
""",
        "no-append 2": """
from esnb import DuplicateEventError

def steal(store, sale):
    raise DuplicateEventError("stolen")
""",
        "no-append": """
def steal(store, sale):
    thief = new_event("PieceSold", buyer="ben", event_id=sale.event_id)
    return thief
""",
    },
    "03-5": {
        "one-fact-for-all": """
def buy_over_a_bad_line(store, buyer, made={}):
    sale = made.setdefault(buyer, sold(buyer))
    while True:
        try:
            return store.append(LAMP, [sale], expected_version=store.version(LAMP))
        except ConnectionError:
            continue
""",
        "guesses-after-a-conflict": """
def buy_over_a_bad_line(store, buyer):
    version, sale = store.version(LAMP), sold(buyer)
    while True:
        try:
            return store.append(LAMP, [sale], expected_version=version)
        except ConnectionError:
            continue
        except ConcurrencyError:
            return "probably me"
""",
        "lets-it-through": """
def buy_over_a_bad_line(store, buyer):
    sale = sold(buyer)
    while True:
        try:
            return store.append(LAMP, [sale], expected_version=0)
        except ConnectionError:
            continue
""",
        "gives-up 3": """
def buy_over_a_bad_line(store, buyer):
    sale = sold(buyer)
    for _ in range(2):
        try:
            return store.append(LAMP, [sale], expected_version=ANY)
        except ConnectionError:
            continue
""",
        "one-fact-for-all 2": """
def buy_over_a_bad_line(store, buyer, sale=sold("ada")):
    while True:
        try:
            return store.append(LAMP, [sale], expected_version=ANY)
        except ConnectionError:
            continue
""",
        "new-fact-each-time": """
def buy_over_a_bad_line(store, buyer):
    while True:
        try:
            return store.append(LAMP, [sold(buyer)], expected_version=store.version(LAMP))
        except ConnectionError:
            continue
""",
        "gives-up": """
def buy_over_a_bad_line(store, buyer):
    try:
        return store.append(LAMP, [sold(buyer)], expected_version=store.version(LAMP))
    except ConnectionError:
        return "no answer"
""",
        "gives-up 2": """
def buy_over_a_bad_line(store, buyer):
    return store.append(LAMP, [sold(buyer)], expected_version=store.version(LAMP))
""",
        "nothing-sold": """
def buy_over_a_bad_line(store, buyer):
    return store.version(LAMP)
""",
        "wrong-buyer": """
def buy_over_a_bad_line(store, buyer):
    sale = sold("ben")
    while True:
        try:
            return store.append(LAMP, [sale], expected_version=store.version(LAMP))
        except ConnectionError:
            continue
""",
    },
}
