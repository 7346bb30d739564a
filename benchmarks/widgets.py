"""How fast TimeTravel moves: the core in node, dragging and opening in a browser, long streams.

    python benchmarks/widgets.py [--events 1000000] [--only seek,page,long,whole,what-if]

It prints times in milliseconds, and the load of the machine while it ran:

- seek: 10,000 events, random positions, in node.
- frame: 2,000 events, dragged for 400 frames in Chromium. Own work is the script and the layout of
  one frame; gaps are what lies between two frames; CPU is the main thread's, so that other work on
  the machine does not count; a long task is one of more than 50 ms.
- open: 10,000 events. Python folds; the page is timed from its first byte to its first picture.
- long: a stream of `--events`. Opening folds it once; a window is the kernel's half of a step to a
  random place. The whole trip through JupyterLab: `python -m pytest -s benchmarks/trip.py`.
- whole: a store of `--events` events, as of random times, a page of rows each.
- what-if: 60 events, one muted, folded again by Python.

Targets, on an idle machine: seek p99 8, frame p99 16, open 1,000 in all, a window p50 100, the
whole store 250.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from slider import long_order

from esnb import EventStore, LessonClock
from esnb.course.widgets import TimeTravel, experiments
from esnb.course.widgets.states_as_of import Places
from esnb.shop import Account, Order, simulate

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CORE = Path(experiments.__file__).parent / "static" / "shared" / "tape.js"

SEEK = """
import { readFileSync } from "node:fs";
const [core, data] = process.argv.slice(1);
const { tape } = await import(core);
const payload = JSON.parse(readFileSync(data, "utf8"));
const film = tape(payload);
const times = [];
let x = 1;
for (let k = 0; k < 5000; k += 1) {
  x = (x * 1103515245 + 12345) % 2147483648;
  const begin = performance.now();
  film.seek(x % (payload.n + 1));
  times.push(performance.now() - begin);
}
console.log(JSON.stringify(times));
"""

DRAG = """async () => {
    const track = document.querySelector('.tt-track'), box = track.getBoundingClientRect()
    const root = document.querySelector('.esnb-tt'), work = [], gaps = [], long = []
    const watch = new PerformanceObserver(list => list.getEntries().forEach(
        task => long.push(task.duration)))
    watch.observe({type: 'longtask'})
    const send = (name, share) => track.dispatchEvent(new PointerEvent(name, {bubbles: true,
        button: 0, pointerId: 1, clientX: box.left + share * box.width, clientY: box.top + 9}))
    track.setPointerCapture = () => {}
    send('pointerdown', 0.5)
    let last = performance.now()
    for (let k = 0; k < 400; k++) {
        await new Promise(done => {
            let begin
            requestAnimationFrame(() => {
                begin = performance.now()
                gaps.push(begin - last)
                last = begin
            })
            send('pointermove', 0.5 + 0.5 * Math.sin(k / 11))
            requestAnimationFrame(() => {
                root.offsetHeight
                work.push(performance.now() - begin)
                done()
            })
        })
    }
    send('pointerup', 0.5)
    watch.disconnect()
    return [work, gaps, long]
}"""


def line(name: str, times: list[float]) -> str:
    times = sorted(times)
    p99 = times[int(0.99 * (len(times) - 1))]
    middle = statistics.median(times)
    return (
        f"{name:<34} median {middle:8.3f}   p99 {p99:8.3f}   max {times[-1]:8.3f}   n {len(times)}"
    )


def seek(folder: Path) -> None:
    node = shutil.which("node")
    if node is None:
        print("seek: no node on this machine")
        return
    store = long_order(10_000)
    tt = TimeTravel(store, "order-1", fold=Order)
    data = folder / "tape.json"
    data.write_text(json.dumps(tt._data), encoding="utf-8")
    command = [node, "--input-type=module", "-e", SEEK, CORE.as_uri(), str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(line("seek, 10,000 events, node", json.loads(done.stdout)))


def page(folder: Path) -> None:
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        print("frame, open: no Chromium on this machine")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"] if root else []
        )

        def open_page(tt: TimeTravel) -> tuple[Any, float]:
            path = tt.to_html(folder / "page.html", theme="light")
            tab = browser.new_page(viewport={"width": 1200, "height": 1000})
            tab.goto(path.as_uri())
            tab.wait_for_selector(".esnb-tt .tt-state tbody tr")
            painted = "performance.getEntriesByName('first-contentful-paint')[0]"
            tab.wait_for_function(f"() => {painted}")
            return tab, tab.evaluate(f"() => {painted}.startTime")

        tab, _ = open_page(TimeTravel(long_order(2_000), "order-1", fold=Order))
        metrics = tab.context.new_cdp_session(tab)
        metrics.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy() -> dict[str, float]:
            found = metrics.send("Performance.getMetrics")["metrics"]
            return {m["name"].removesuffix("Duration"): 1000 * m["value"] for m in found}

        before = busy()
        work, gaps, tasks = tab.evaluate(DRAG)
        after = busy()
        parts = ("Task", "Script", "Layout", "RecalcStyle")
        shares = [f"{name} {(after[name] - before[name]) / len(work):.2f}" for name in parts]
        print(line("frame, 2,000 events: own work", work[5:]))
        print(line("frame, 2,000 events: gaps", gaps[5:]))
        print(f"{'frame, 2,000 events: CPU, mean':<34} {'   '.join(shares)}   "
              f"long tasks {len(tasks)}")  # fmt: skip
        store = long_order(10_000)
        python, processors, browsing = [], [], []
        for _ in range(5):
            begin, ran = time.perf_counter(), time.process_time()
            tt = TimeTravel(store, "order-1", fold=Order)
            python.append(1000 * (time.perf_counter() - begin))
            processors.append(1000 * (time.process_time() - ran))
            tab, shown = open_page(tt)
            browsing.append(shown)
            tab.close()
        print(line("open, 10,000 events: Python", python))
        print(line("open, 10,000 events: Python, CPU", processors))
        print(line("open, 10,000 events: the page", browsing))
        print(f"{'payload, 10,000 events':<34} {len(tt._payload) / 1e6:.1f} MB")
        browser.close()


def what_if() -> None:
    tt = TimeTravel(long_order(60), "order-1", fold=Order)
    times = []
    for number in range(1, 61):
        begin = time.perf_counter()
        experiments.what_if(tt.history, [number], "skip")
        times.append(1000 * (time.perf_counter() - begin))
    print(line("what-if, 60 events, Python", times))


def long_stream(count: int) -> EventStore:
    """One order with so many events, loaded at once: a basket that is changed again and again."""
    k = np.arange(count)
    sku = pd.Series((k + 1) // 2 % 40).astype(str)
    frame = pd.DataFrame({
        "id": "cart-1",
        "type": np.where(k == 0, "OrderPlaced", np.where(k % 2 == 1, "ItemAdded", "ItemRemoved")),
        "at": pd.Timestamp("2026-01-01T00:00:00Z") + pd.to_timedelta(k, unit="s"),
        "data": '{"sku":"SKU-' + sku + '","quantity":1,"price":250}',
    })  # fmt: skip
    frame.loc[0, "data"] = '{"customer":"ada","items":[]}'
    return EventStore.from_frame(
        frame, aggregate_id="id", event_type="type", occurred_at="at", aggregate_type="ORDER",
        data="data",
    )  # fmt: skip


def long(count: int) -> None:
    name = f"long, {count:,} events"
    with long_stream(count) as store:
        begin, ran = time.perf_counter(), time.process_time()
        tt = TimeTravel(store, "cart-1", fold=Order, progress=False)
        took, processor = time.perf_counter() - begin, time.process_time() - ran
        print(f"{name + ': opened in':<34} {took:.1f} s   CPU {processor:.1f} s   "
              f"headers {len(tt._headers) / 1e6:.1f} MB")  # fmt: skip
        sent: list[Any] = []
        tt.send = sent.append  # type: ignore[method-assign, assignment]
        chance, wall, cpu, size = random.Random(1), [], [], 0
        for _ in range(200):
            asked = {"ask": "window", "id": 1, "fold": 0, "at": chance.randrange(count + 1)}
            begin, ran = time.perf_counter(), time.process_time()
            tt._on_message(tt, asked, [])
            size = len(json.dumps(sent.pop()))
            wall.append(1000 * (time.perf_counter() - begin))
            cpu.append(1000 * (time.process_time() - ran))
        print(line(f"{name}: a window", wall))
        print(line(f"{name}: window, CPU", cpu))
        print(f"{'a window as JSON':<34} {size / 1e3:.0f} kB")


def whole(count: int) -> None:
    with EventStore(clock=LessonClock()) as store:
        simulate(store, orders=int(count * 0.239))
        name = f"whole, {store.position:,} events"
        begin, ran = time.perf_counter(), time.process_time()
        found = Places(store, {"ORDER": Order, "ACCOUNT": Account}, ["OrderDelivered"])
        took, processor = time.perf_counter() - begin, time.process_time() - ran
        print(f"{name + ': opened in':<34} {took:.1f} s   CPU {processor:.1f} s")
        chance, wall, cpu = random.Random(1), [], []
        for _ in range(100):
            us = chance.randrange(int(found.times[0]), int(found.times[-1]))
            begin, ran = time.perf_counter(), time.process_time()
            json.dumps(found.look(us, us - 3_600_000_000))
            wall.append(1000 * (time.perf_counter() - begin))
            cpu.append(1000 * (time.process_time() - ran))
        print(line(f"{name}: a look", wall))
        print(line(f"{name}: a look, CPU", cpu))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--only", default="seek,page,what-if,long,whole")
    given = options.parse_args()
    wanted = given.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("seek", seek), ("page", page)):
            if name in wanted:
                part(Path(folder))
    if "what-if" in wanted:
        what_if()
    for name, measure in (("long", long), ("whole", whole)):
        if name in wanted:
            measure(given.events)
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
