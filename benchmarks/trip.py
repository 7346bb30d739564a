"""How long a step takes through JupyterLab and its kernel, in a stream of a million events.

    python -m pytest -s benchmarks/trip.py

The view asks for 60 windows at random places, one after the other, each when the last one is shown.
A trip is from the question to the answer in the browser; a step is from the key to the new state on
the page. `ESNB_EVENTS=100000` makes the stream shorter. It opens in about ten seconds when idle.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.lab import Lab, chromium, lab, lab_server, notebook

__all__ = ["chromium", "lab", "lab_server"]  # fixtures

EVENTS = int(os.environ.get("ESNB_EVENTS", "1000000"))
HERE = Path(__file__).parent

STEPS = """async n => {
    const root = document.querySelector('.esnb-tt')
    const box = root.querySelector('.tt-number'), steps = []
    for (let k = 1; k <= 60; k++) {
        const at = 1 + (k * 7919 * 6131) % n
        const wanted = `State after event ${at}`
        const begin = performance.now()
        box.value = at
        box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))
        const title = root.querySelector('.tt-state h3')
        while (title.textContent !== wanted || root.matches('.tt-stale'))
            await new Promise(requestAnimationFrame)
        steps.push(performance.now() - begin)
        await new Promise(done => setTimeout(done, 400))
    }
    return [steps, root.trips]
}"""


@pytest.mark.browser
def test_a_trip_through_the_kernel(lab: Lab, tmp_path: Path) -> None:
    lab.open(notebook(
        tmp_path / "trip.ipynb",
        f"import sys, time; sys.path.insert(0, {str(HERE)!r})\n"
        "from widgets import long_stream\nfrom esnb.shop import Order\n"
        f"from esnb.course.widgets import TimeTravel\nstore = long_stream({EVENTS})",
        "begin = time.perf_counter()\ntt = TimeTravel(store, 'cart-1', fold=Order)\n"
        "print(f'opened in {time.perf_counter() - begin:.1f} s')",
        "tt",
    ))  # fmt: skip
    lab.run_all(timeout=600)
    assert lab.errors() == []
    expect(lab.page.locator(".esnb-tt")).to_have_count(1)
    lab.page.set_default_timeout(300_000)
    steps, trips = lab.page.evaluate(STEPS, EVENTS)
    print(f"\n{EVENTS:,} events; {[t for t in lab.outputs() if 'opened' in t]}")
    for name, times in (("trip", trips), ("step, key to page", steps)):
        times = sorted(times)
        print(f"{name:<20} median {statistics.median(times):7.1f}   "
              f"p95 {times[int(0.95 * (len(times) - 1))]:7.1f}   max {times[-1]:7.1f}   "
              f"n {len(times)}")  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f}")
