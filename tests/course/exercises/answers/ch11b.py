"""Answers to the exercises of chapter 11b."""

NOTEBOOK = "11b_forgetting_and_proof"

CUT = "delete from events where position > 6"


def _proof(loop: str, before: str = 'proof = ""', after: str = "return proof") -> str:
    return f"def proof_of(rows):\n    {before}\n    for row in rows:\n        {loop}\n    {after}\n"


def _hashed(text: str) -> str:
    return f"proof_of = lambda rows: sha256(({text}).encode()).hexdigest()"


def _stands(
    event: bool, metadata: bool, snapshot: bool, model: bool, export: bool, csv: bool
) -> str:
    names = (
        "the data of the event", "the metadata of the event", "her snapshot", "the read model",
        "the data in a JSON Lines export", "a CSV file of the read model",
    )  # fmt: skip
    said = dict(zip(names, (event, metadata, snapshot, model, export, csv), strict=True))
    return f"stands_there = {said}"


def _swap(lines: str) -> str:
    return f"def swap(rows):\n    {lines}\n    return rows\n"


RIGHT = {
    "11b-7": [
        '''
query = """
    select occurred_at, event_data->>'$.reason' as why, event_data->>'$.person' as who
    from events where event_type = 'PersonForgotten' order by position desc
"""
''',
        '''
query = """
    select event_data->>'$.person', strftime(occurred_at, '%Y-%m-%d %H:%M'), event_data->>'$.reason'
    from events_now where event_type = 'PersonForgotten'
"""
''',
    ],
    "11b-5": [
        """
def count_customers(registered):
    seen = []
    for data in registered:
        if data['customer'] not in seen:
            seen.append(data['customer'])
    return len(seen)
""",
    ],
    "11b-3": [
        """
holds = {'another event is appended': 1, 'event 8 is changed': 0, 'event 3 is removed': 0,
         'the file is copied to another disk': 1}
""",
        """
fates = ('another event is appended', 'event 8 is changed', 'event 3 is removed',
         'the file is copied to another disk')
holds = {fate: fate.endswith(('appended', 'disk')) for fate in fates}
""",
    ],
    "11b-2": [
        "statements = [f'delete from {table} where position >= 7' "
        "for table in ('chain', 'events')]",
        "statements = ['truncate chain', 'truncate events']",
    ],
    "11b-1": [
        """
def proof_of(rows):
    if not rows:
        return sha256(b"").hexdigest()
    *before, last = rows
    return sha256((proof_of(before) + "|".join(last)).encode()).hexdigest()
""",
    ],
    "11b-6": [
        _stands(False, True, True, True, False, True),
        "stands_there = {'the data of the event': 0, 'the metadata of the event': 1,"
        " 'her snapshot': 1, 'the read model': 1, 'the data in a JSON Lines export': 0,"
        " 'a CSV file of the read model': 1}",
    ],
    "11b-4": [
        _swap("rows[2]['box'] = rows[1]['box']"),
    ],
}

WRONG = {
    "11b-7": {
        "other-events": '''
query = """
    select event_data->>'$.customer', event_type, occurred_at from events
"""
''',
        "without-who": '''
query = """
    select event_data->>'$.reason', occurred_at from events where event_type = 'PersonForgotten'
"""
''',
        "without-why": '''
query = """
    select event_data->>'$.person', occurred_at from events where event_type = 'PersonForgotten'
"""
''',
        "without-when": '''
query = """
    select event_data->>'$.person', event_data->>'$.reason'
    from events where event_type = 'PersonForgotten'
"""
''',
        "more-columns": '''
query = """
    select event_data->>'$.person', event_data->>'$.reason', occurred_at, event_type
    from events where event_type = 'PersonForgotten'
"""
''',
        "not-a-query": '''
query = """
    select person from events where event_type = 'PersonForgotten'
"""
''',
    },
    "11b-5": {
        "counts-names": """
def count_customers(registered):
    names = sorted(data['name'] for data in registered)
    return len(set(names))
""",
        "counts-rows": """
def count_customers(registered):
    return len(registered)
""",
        "leaves-out-the-forgotten": """
def count_customers(registered):
    return len({d['customer'] for d in registered if d['name'] != '(forgotten)'})
""",
        "forgotten-count-as-one": """
def count_customers(registered):
    known = {d['customer'] for d in registered if d['name'] != '(forgotten)'}
    return len(known) + any(d['name'] == '(forgotten)' for d in registered)
""",
        "no-return": """
def count_customers(registered):
    print(len({d['customer'] for d in registered}))
""",
    },
    "11b-3": {
        "later-events-count": """
holds = {'another event is appended': False, 'event 8 is changed': False,
         'event 3 is removed': False,
         'the file is copied to another disk': True}
""",
        "the-last-is-covered": """
holds = {'another event is appended': True, 'event 8 is changed': True, 'event 3 is removed': False,
         'the file is copied to another disk': True}
""",
        "the-middle-is-covered": """
holds = {'another event is appended': True, 'event 8 is changed': False, 'event 3 is removed': True,
         'the file is copied to another disk': True}
""",
        "a-copy-is-the-log": """
holds = {'another event is appended': True, 'event 8 is changed': False,
         'event 3 is removed': False,
         'the file is copied to another disk': False}
""",
        "not-true-or-false": """
holds = {'another event is appended': 'yes', 'event 8 is changed': False,
         'event 3 is removed': False,
         'the file is copied to another disk': True}
""",
    },
    "11b-2": {
        "chain-remembers": "statements = ['delete from events where position >= 8']",
        "events-without-chain": f"statements = [{CUT!r}, 'delete from chain where position > 4']",
        "in-the-middle": "statements = ['delete from events where position = 4', "
        "'delete from chain where position = 4']",
        "in-the-middle 2": "statements = ['update events set position = 10 - position']",
        "nothing-changed": "statements = ['delete from events where position > 8']",
        "not-taken": "statements = ['cut the log at 6']",
        "not-taken 2": f'statements = ["create table found as from read_text({__file__!r})"]',
        "wrong-kind": "statements = 6",
    },
    "11b-1": {
        "separator-in-a-column": """
def proof_of(rows):
    proof = ""
    for row in rows:
        text = "-".join(row)
        proof = sha256((proof + text).encode()).hexdigest()
    return proof
""",
        "order-lost": """
def proof_of(rows):
    hashes = [sha256("\\0".join(row).encode()).hexdigest() for row in rows]
    return sha256("".join(sorted(hashes)).encode()).hexdigest()
""",
        "order-lost 2": _proof(
            'proof += int(sha256("|".join(row).encode()).hexdigest(), 16)', "proof = 0"
        ),
        "columns-run-together": _proof(
            'proof = sha256((proof + "".join(row)).encode()).hexdigest()'
        ),
        "events-run-together": _hashed(r'"".join("\0".join(row) for row in rows)'),
        "only-the-end": _proof(r'proof = sha256("\0".join(row).encode()).hexdigest()'),
        "end-unseen": _proof(
            r'proofs.append(sha256((proofs[-1] + "\0".join(row)).encode()).hexdigest())',
            'proofs = [""]',
            "return proofs[-2]",
        ),
        "end-unseen 2": _proof(
            "proof = sha256((proof + row[0] + '|' + row[1]).encode()).hexdigest()"
        ),
        "another-tomorrow": "proof_of = lambda rows: hash(tuple(rows))",
        "error": _proof('proof = sha256(proof + "|".join(row)).hexdigest()'),
        "wrong-kind": "proof_of = 'sha256'",
        "wrong-kind 2": _proof("pass", "proof = []", "return [row for row in rows]"),
    },
    "11b-6": {
        "the-log-forgets-nothing": _stands(True, True, True, True, False, True),
        "metadata-is-sealed": _stands(False, False, True, True, False, True),
        "copies-follow": _stands(False, True, False, True, False, True),
        "copies-follow 2": _stands(False, True, True, False, False, True),
        "exports-are-open": _stands(False, True, True, True, True, True),
        "not-true-or-false": "stands_there = {'her snapshot': True}",
        "wrong-kind": "stands_there = 'nowhere'",
    },
    "11b-4": {
        "another-person": _swap("rows[1]['box'], rows[4]['box'] = rows[4]['box'], rows[1]['box']"),
        "another-field": _swap("rows[0]['box'], rows[1]['box'] = rows[1]['box'], rows[0]['box']"),
        "made-up-box": _swap("rows[1]['box'] = 'TWlsbCBMYW5lIDk5LCBFMSwgTG9uZG9u'"),
        "rows-lost": _swap("del rows[1]"),
        "nothing-changed": _swap("rows[1], rows[2] = rows[2], rows[1]"),
        "error": _swap("rows[1].box, rows[2].box = rows[2].box, rows[1].box"),
        "wrong-kind": "swap = 3",
    },
}
