"""The wheel works in a folder far from the checkout: it brings all its files and data along."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Run with -I: neither the working folder nor PYTHONPATH is on the path, only the folder given.
IN_ANOTHER_FOLDER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import esnb
from esnb import shop
from esnb.course.widgets.timetravel import TimeTravel
from esnb.datasets import flights
count = "select event_type, count(*) from events group by all"
counts = []
for store in (shop.sample(), flights.sample()):
    counts.append(dict(store.sql(count).fetchall()))
orders = shop.sample_summary().orders
print(json.dumps([esnb.__file__, counts, orders, "export default" in str(TimeTravel._esm)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("esnb-*.whl")
    return zipfile.ZipFile(built)


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout: the list of tracked files is not known")
    return {name for name in listed.stdout.split("\0") if (ROOT / name).is_file() and name}


def test_it_holds_every_file_of_the_package_and_the_data(wheel: zipfile.ZipFile) -> None:
    data = {name.replace("data/", "esnb/_data/", 1) for name in tracked("data")}
    assert data
    assert tracked("esnb") | data <= set(wheel.namelist())


def test_the_samples_work_where_only_the_wheel_is(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    wheel.extractall(installed)  # what installing a wheel without scripts does
    command = [sys.executable, "-I", "-c", IN_ANOTHER_FOLDER, str(installed)]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    module, (shop, flights), orders, has_script = json.loads(done.stdout)
    assert Path(module).is_relative_to(installed)
    lines = gzip.decompress((ROOT / "data/shop/events.jsonl.gz").read_bytes()).splitlines()
    assert shop == Counter(json.loads(line)["event_type"] for line in lines)
    assert shop["OrderPlaced"] == orders
    with (ROOT / "data/flights/february-2013.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert flights["FlightScheduled"] == len(rows)
    assert flights["FlightDeparted"] == sum(row["dep_time"] != "" for row in rows)
    assert has_script
