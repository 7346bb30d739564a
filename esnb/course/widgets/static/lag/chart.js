// The chart of Lag: write head and checkpoint over time, what was done, and the lag now.
import { draw, make, set, suppress } from "../shared/elements.js";
import { plural } from "../shared/words.js";

/**
 * @typedef {import("./clock.js").Clock} Clock
 * @typedef {import("./day.js").Tick} Tick
 *
 * What the parts of one drawing share: the run up to now, and its places in pixels.
 * @typedef {{clock: Clock, now: Tick, seen: Tick[], ticks: Tick[], written: number[], big: number,
 *   x: (second: number) => number, y: (position: number) => number, left: number, end: number,
 *   low: number, high: number, top: number}} Plot
 */

const DONE = {
  pause: "pause",
  resume: "resume",
  crash: "crash",
  restart: "restart",
  rebuild: "rebuild",
  write: "writes",
  project: "projection",
};
const HATCH = {
  width: 7,
  height: 7,
  patternUnits: "userSpaceOnUse",
  patternTransform: "rotate(45)",
};

/** @param {Tick} t */
export const seconds = (t) => `${(t.milliseconds / 1000).toFixed(1)} s`;

/**
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {string} look classes, without their prefix
 */
const text = (x, y, words, look, extra = {}) =>
  draw(
    "text",
    {
      x,
      y,
      class: look
        .split(" ")
        .map((name) => `lg-${name}`)
        .join(" "),
      ...extra,
    },
    words,
  );
const line = (x1, y1, x2, y2, look) => draw("line", { x1, x2, y1, y2, class: `lg-${look}` });
const path = (d, look, extra = {}) => draw("path", { d, class: `lg-${look}`, ...extra });

/**
 * @param {Clock} clock
 * @param {number} width
 * @param {number} height
 * @returns {Plot}
 */
function plotOf(clock, width, height) {
  const { day, s } = clock;
  const { ticks, written } = clock.run();
  const big = s.projector ? 1.5 : 1;
  const [left, end, low, high] = [48 * big, width - 128 * big, height - 26 * big, 8];
  const top = Math.ceil(Math.max(50, ticks.at(-1).head) / 50) * 50;
  return {
    clock,
    now: clock.tick(),
    seen: ticks.slice(0, s.at + 1),
    ticks,
    written,
    big,
    left,
    end,
    low,
    high,
    top,
    x: (second) => left + ((end - left) * second) / day.seconds,
    y: (position) => low - ((low - high) * position) / top,
  };
}

/** @param {Plot} plot */
function ground({ clock, big, x, y, left, end, low, high, top }) {
  const [from, to] = clock.day.rush;
  /** @type {SVGElement[]} */
  const out = [
    draw("rect", {
      x: x(from),
      width: x(to) - x(from),
      y: high,
      height: low - high,
      class: "lg-rush",
    }),
  ];
  for (let p = 0; p <= top; p += top > 150 ? 100 : 50)
    out.push(
      line(left, y(p), end, y(p), "grid"),
      text(left - 6, y(p) + 4, String(p), "small", { "text-anchor": "end" }),
    );
  for (let second = 0; second <= clock.day.seconds; second += 15)
    out.push(text(x(second), low + 17 * big, `${second} s`, "small", { "text-anchor": "middle" }));
  return out;
}

/**
 * @param {Plot} plot
 * @param {string} hatch
 */
function lines({ seen, ticks, clock, x, y }, hatch) {
  const along = (name) =>
    seen.map((t, k) => `${k ? "L" : "M"}${x(t.second)} ${y(t[name])}`).join("");
  const back = [...seen]
    .reverse()
    .map((t) => `L${x(t.second)} ${y(t.checkpoint)}`)
    .join("");
  const out = [
    path(`${along("head")}${back}Z`, "behind", { fill: `url(#${hatch})` }),
    path(along("checkpoint"), "checkpoint"),
    path(along("head"), "head"),
  ];
  for (const t of seen.filter((one) => one.rebuild !== null)) {
    const from = ticks[t.second - 1].rebuild ?? 0;
    const after = ticks[t.second + 1];
    const end =
      after && after.rebuild === null && after.second <= clock.s.at
        ? `L${x(after.second)} ${y(after.checkpoint)}`
        : "";
    out.push(path(`M${x(t.second - 1)} ${y(from)}L${x(t.second)} ${y(t.rebuild)}${end}`, "beside"));
  }
  return out;
}

/**
 * What was done, on the line of time.
 * @param {Plot} plot
 */
function done({ clock, ticks, big, x, y, low }) {
  const out = [];
  let level = 0;
  let last = -9;
  for (const [second, what, value = null] of clock.s.script) {
    if (second > clock.s.at) continue;
    level = second - last < 6 ? level + 1 : 0;
    last = second;
    out.push(
      line(x(second), y(ticks[second].checkpoint), x(second), low, "done"),
      text(
        x(second) + 3,
        low - 4 - (level % 3) * 14 * big,
        `${DONE[what]}${value === null ? "" : ` ${value}`}`,
        "small halo",
      ),
    );
  }
  return out;
}

/**
 * Bob's payment on the write head, and where the readers get to see it.
 * @param {Plot} plot
 */
function payment({ clock, now, seen, written, x, y }) {
  const { day, s } = clock;
  if (now.head < day.token) return [];
  const bx = x(written[day.token] / 1000);
  const by = y(day.token);
  const passed = seen.find((t) => t.checkpoint >= day.token);
  return [
    clock.hidden() ? null : line(bx, by, passed ? x(passed.second) : x(s.at), by, "bobline"),
    path(`M${bx} ${by - 9}l9 9l-9 9l-9 -9z`, "paid"),
    text(bx - 12, by - 4, "Bob pays", "small halo", { "text-anchor": "end" }),
  ].filter(Boolean);
}

/**
 * The lag now: up in events, across in seconds.
 * @param {Plot} plot
 */
function lagNow({ clock, now, written, big, x, y, low, high }) {
  const nx = x(clock.s.at);
  const [upper, lower] = [y(now.head), y(now.checkpoint)];
  const tight = lower - upper < 34 * big;
  const below = Math.min(low - 2, lower + (tight ? 16 * big : 5));
  const above = Math.max(high + 6, Math.min(upper - (tight ? 4 : 0), below - 17 * big));
  /** @type {SVGElement[]} */
  const out = [
    line(nx, high, nx, low, "now"),
    text(
      x(clock.day.rush[0]) + 4,
      high + 13 * big,
      "lunch rush: twice the writes",
      "small halo rush-label",
    ),
    text(nx + 12, above, `write head ${now.head}`, "label halo"),
    text(nx + 12, below, `checkpoint ${now.checkpoint}`, "label halo"),
  ];
  if (!now.events) return out;
  const from = x(written[now.checkpoint + 1] / 1000);
  out.push(
    path(`M${nx + 2} ${upper}h6V${lower}h-6`, "bracket"),
    path(`M${from} ${lower - 6}v12m0 -6H${nx}`, "bracket"),
  );
  if (!tight)
    out.push(text(nx + 14, (upper + lower) / 2 + 4, plural(now.events, "event"), "small halo"));
  if (nx - from > 30)
    out.push(
      text((from + nx) / 2, lower + (tight ? 17 * big : -7), seconds(now), "small halo", {
        "text-anchor": "middle",
      }),
    );
  return out;
}

/**
 * @param {Clock} clock
 * @param {string} id
 */
export function chartOf(clock, id) {
  const { day, s } = clock;
  const svg = draw("svg", { class: "lg-chart", role: "img" });
  const range = make("input", {
    type: "range",
    min: 0,
    max: day.seconds,
    step: 1,
    ...suppress,
    class: "lg-range",
    "aria-label": "second of the day",
  });
  range.addEventListener("input", () => clock.move(Number(range.value)));
  const hatch = draw(
    "defs",
    {},
    draw("pattern", { id: `${id}-hatch`, ...HATCH }, line(0, 0, 0, 7, "hatch")),
  );
  const element = make("div", { class: "lg-plot" }, svg, range);
  function update() {
    const width = Math.max(320, svg.clientWidth || 900);
    const height = !s.projector ? 270 : s.quiz || s.keys ? 330 : 250;
    const plot = plotOf(clock, width, height);
    const t = plot.now;
    range.style.marginLeft = `${plot.left - 8}px`;
    range.style.width = `${plot.end - plot.left + 16}px`;
    range.value = String(s.at);
    set(
      range,
      "aria-valuetext",
      `second ${s.at} of ${day.seconds}, ${plural(t.events, "event")} behind, ${t.state}`,
    );
    set(svg, "viewBox", `0 0 ${width} ${height}`);
    svg.style.height = `${height}px`;
    set(
      svg,
      "aria-label",
      `position over time: write head ${t.head}, checkpoint ${t.checkpoint}; the gap is the lag`,
    );
    svg.replaceChildren(
      hatch,
      ...ground(plot),
      ...lines(plot, `${id}-hatch`),
      ...done(plot),
      ...payment(plot),
      ...lagNow(plot),
    );
  }
  return { element, svg, range, update };
}
