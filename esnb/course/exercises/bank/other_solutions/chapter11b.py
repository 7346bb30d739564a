"""Other right answers to the exercises of 11b_forgetting_and_proof."""

OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "11b-1": (
        (
            "the text that Python writes of the rows",
            """\
proof_of = lambda rows: sha256(repr([tuple(map(str, row)) for row in rows]).encode()).digest()
""",
        ),
        (
            "one digest, fed with JSON",
            """\
import json
def proof_of(rows):
    digest = sha256()
    for number, row in enumerate(rows):
        digest.update(json.dumps([number, *row]).encode())
    return digest.hexdigest()
""",
        ),
    ),
    "11b-4": (
        (
            "exchange the numbers in place of the boxes",
            """\
def swap(rows):
    old, new = (r for r in rows if r["stream"].endswith("17") and r["field"] == "street")
    old["number"], new["number"] = new["number"], old["number"]
""",
        ),
        (
            "each person's first box everywhere",
            """\
def swap(rows):
    first = {}
    for row in rows:
        first.setdefault((row["stream"], row["field"]), row["box"])
    return [{**row, "box": first[row["stream"], row["field"]]} for row in reversed(rows)]
""",
        ),
    ),
    "11b-5": (
        (
            "as a table of pandas",
            """\
import pandas as pd

def count_customers(registered):
    return pd.DataFrame(registered)['customer'].nunique()
""",
        ),
    ),
}
