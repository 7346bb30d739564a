// The line of time: counts of events per column, where we stand, and what we compare with.
import { draw, make, set, suppress } from "../shared/elements.js";
import { bins } from "../shared/places.js";
import { clamp, moment, numberAt, plural } from "../shared/words.js";

/** @typedef {import("./whole.js").Whole} Whole */

/**
 * @param {HTMLElement} track
 * @param {(event: PointerEvent) => void} move
 * @param {() => void} begin
 */
function listenDrag(track, move, begin) {
  let dragging = false;
  track.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = true;
    track.setPointerCapture(event.pointerId);
    move(event);
    begin();
    event.preventDefault();
  });
  track.addEventListener("pointermove", (event) => dragging && move(event));
  for (const name of ["pointerup", "pointercancel"])
    track.addEventListener(name, () => {
      dragging = false;
    });
  return () => dragging;
}

/**
 * The counts as a drawing of bars, `columns` wide.
 * @param {ArrayLike<number>} times
 * @param {(us: number) => number} share
 * @param {number} columns
 */
function countsPath(times, share, columns) {
  const [row] = bins(
    times.length,
    (k) => share(times[k - 1]),
    () => 0,
    1,
    columns,
  );
  const most = row.reduce((a, b) => Math.max(a, b), 1);
  let d = "";
  row.forEach((n, x) => {
    if (n) d += `M${x} 100h1v${-(6 + (90 * n) / most).toFixed(1)}h-1z`;
  });
  return draw("path", { d });
}

/**
 * Draws the counts again when the width has changed.
 * @param {HTMLElement} track
 * @param {SVGSVGElement} counts
 * @param {ArrayLike<number>} times
 * @param {(us: number) => number} share
 */
function placer(track, counts, times, share) {
  let width = 0;
  return () => {
    if (track.clientWidth === width) return;
    width = track.clientWidth;
    const columns = Math.max(50, Math.floor(width || 600));
    set(counts, "viewBox", `0 0 ${columns} 100`);
    counts.replaceChildren(countsPath(times, share, columns));
  };
}

/** @param {Whole} whole */
export function lineOf(whole) {
  const { times, first, last, s } = whole;
  const length = Math.max(1, last - first);
  const counts = draw("svg", {
    class: "wh-counts",
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const range = make("input", {
    type: "range",
    min: 0,
    max: 1000,
    step: "any",
    ...suppress,
    class: "wh-range",
    "aria-label": "time",
  });
  const playhead = make("div", { class: "wh-playhead" });
  const between = make("div", { class: "wh-between" });
  const flag = make("div", { class: "wh-pin", "aria-hidden": "true" }, "A");
  const track = make("div", { class: "wh-track" }, counts, between, range, playhead, flag);
  const ends = make(
    "div",
    { class: "wh-ends w-soft", "aria-hidden": "true" },
    [first, last].map((us) => make("span", {}, moment(us).slice(0, 16))),
  );
  const share = (us) => clamp((us - first) / length, 0, 1);
  const percent = (us) => `${(share(us) * 100).toFixed(3)}%`;
  const dragging = listenDrag(
    track,
    ({ clientX }) => {
      const box = track.getBoundingClientRect();
      whole.move(first + clamp((clientX - box.left) / box.width, 0, 1) * length);
    },
    () => range.focus({ preventScroll: true }),
  );
  range.addEventListener("input", () => whole.move(first + (Number(range.value) / 1000) * length));
  const place = placer(track, counts, times, share);
  function update() {
    place();
    playhead.style.left = percent(s.at);
    const since = whole.since();
    between.style.left = percent(Math.min(since, s.at));
    between.style.width = `${Math.abs(share(s.at) - share(since)) * 100}%`;
    const pinned = whole.live() ? s.pin : s.answer.since;
    flag.hidden = pinned === null;
    if (pinned !== null) flag.style.left = percent(pinned);
    if (document.activeElement !== range || !dragging()) range.value = String(share(s.at) * 1000);
    const count = numberAt(times, s.at) ?? 0;
    set(range, "aria-valuetext", `${moment(s.at)}, ${count} of ${plural(times.length, "event")}`);
  }
  return { elements: [track, ends], track, range, update };
}
