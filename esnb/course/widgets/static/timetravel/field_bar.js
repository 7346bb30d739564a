// The history of one field, or of what passes the filter: how often, when, and its values as a line.
import { button, draw, make, write } from "../shared/elements.js";
import { next } from "../shared/places.js";
import { plural } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

const FEW = 12;

/**
 * @param {Clock} clock
 * @param {ArrayLike<number> & Iterable<number>} numbers
 */
function wordsOf({ payload, film, s, passed }, numbers) {
  const types = [...s.filter.types].map((k) => payload.types[k].name).join(" or ");
  const named = [types, s.filter.text ? `“${s.filter.text}”` : ""].filter(Boolean).join(" with ");
  const [from, to] = film.range();
  const where = payload.long ? `in events ${from} to ${to}, ` : "";
  const what = s.field ? `${where}${s.field} was changed by` : `${named}:`;
  const few = [...Array.from(numbers).slice(0, FEW)].join(", ");
  const list = numbers.length ? `: ${few}${numbers.length > FEW ? ", …" : ""}` : "";
  return `${what} ${plural(numbers.length, "event")}${s.field && passed() ? ` of ${named}` : ""}${list}`;
}

/**
 * The numeric values of a field as a line of steps, 200 by 32.
 * @param {[number, number][]} points
 * @param {[number, number]} range
 * @param {number} at
 */
function lineOf(points, [from, to], at) {
  const values = points.map(([, v]) => v);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const y = (v) => (high === low ? 16 : 29 - (26 * (v - low)) / (high - low));
  const x = (i) => (200 * (i - from + 1)) / Math.max(1, to - from + 1);
  let d = `M${x(points[0][0])} ${y(points[0][1])}`;
  for (const [i, v] of points.slice(1)) d += `H${x(i)}V${y(v)}`;
  return [draw("path", { d: `${d}H200` }), draw("line", { x1: x(at), x2: x(at), y1: 0, y2: 32 })];
}

/** @param {Clock} clock */
export function fieldBarOf(clock) {
  const { payload, film, n, s } = clock;
  const text = make("span");
  const back = button("previous [", () => clock.act("field-back"));
  const forth = button("next ]", () => clock.act("field-next"));
  const spark = draw("svg", {
    class: "tt-spark",
    viewBox: "0 0 200 32",
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const element = make("div", { class: "tt-field" }, text, back, forth, spark);
  function update() {
    const filtering = Boolean(clock.passed());
    element.hidden = !s.field && !filtering;
    if (element.hidden) return;
    const numbers = clock.lit();
    write(text, wordsOf(clock, numbers));
    const further = Boolean(payload.long && s.field && !filtering);
    back.disabled = next(numbers, s.at, -1) === null && !(further && s.at > 0);
    forth.disabled = next(numbers, s.at, 1) === null && !(further && s.at < n);
    const points = s.field ? film.series(s.field) : [];
    spark.style.display = points.length > 1 ? "" : "none";
    if (points.length > 1)
      spark.replaceChildren(...lineOf(points, payload.long ? film.range() : [1, n], s.at));
  }
  return { element, update };
}
