"""How fast TimeTravel moves: the core alone in node, a drag and the opening in a real browser.

    python benchmarks/widgets.py

It prints four figures, in milliseconds, and the load of the machine while it ran:
seek (10,000 events, random positions, in node); frame (2,000 events, the script and layout of one
frame while dragging); open (10,000 events: Python folds, then the page reads and draws it);
what-if (60 events, one muted, folded again by Python).

Targets: seek p99 8 ms, frame p99 16 ms, open 1 s in all, on an idle machine.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from slider import long_order

from esnb.shop import Order
from esnb.widgets import TimeTravel, tape

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CORE = Path(tape.__file__).parent / "static" / "core.js"

SEEK = """
import { readFileSync } from "node:fs";
const [core, data] = process.argv.slice(1);
const text = encodeURIComponent(readFileSync(core, "utf8"));
const { tape } = await import(`data:text/javascript,${text}`);
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
    const root = document.querySelector('.esnb-tt'), work = [], gaps = []
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
    return [work, gaps]
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
    command = [node, "--input-type=module", "-e", SEEK, str(CORE), str(data)]
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

        def open_page(tt: TimeTravel) -> Any:
            path = tt.to_html(folder / "page.html", theme="light")
            tab = browser.new_page(viewport={"width": 1200, "height": 1000})
            begin = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_selector(".esnb-tt .tt-state tbody tr")
            tab.evaluate("() => new Promise(r => requestAnimationFrame(r))")
            return tab, 1000 * (time.perf_counter() - begin)

        tab, _ = open_page(TimeTravel(long_order(2_000), "order-1", fold=Order))
        work, gaps = tab.evaluate(DRAG)
        print(line("frame, 2,000 events: own work", work[5:]))
        print(line("frame, 2,000 events: to the next", gaps[5:]))
        store = long_order(10_000)
        python, processor, browsing = [], [], []
        for _ in range(3):
            begin, ran = time.perf_counter(), time.process_time()
            tt = TimeTravel(store, "order-1", fold=Order)
            python.append(1000 * (time.perf_counter() - begin))
            processor.append(1000 * (time.process_time() - ran))
            browsing.append(open_page(tt)[1])
        print(line("open, 10,000 events: Python", python))
        print(line("open, 10,000 events: Python, CPU", processor))
        print(line("open, 10,000 events: the page", browsing))
        print(f"{'payload, 10,000 events':<34} {len(tt._payload) / 1e6:.1f} MB")
        browser.close()


def what_if() -> None:
    tt = TimeTravel(long_order(60), "order-1", fold=Order)
    times = []
    for number in range(1, 61):
        begin = time.perf_counter()
        tape.what_if(tt.history, [number], "skip")
        times.append(1000 * (time.perf_counter() - begin))
    print(line("what-if, 60 events, Python", times))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seek(Path(folder))
        page(Path(folder))
    what_if()
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
