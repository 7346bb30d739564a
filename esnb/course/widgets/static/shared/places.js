// Places on a line, and moves along it. Pure, tested with node.
import { clamp } from "./words.js";

/**
 * Where events and positions stand, as shares of the width.
 * @typedef {{event: (k: number) => number, at: (i: number) => number, length: number,
 *   nearest: (share: number) => number, folds: {share: number, gap: number}[]}} Axis
 */

/**
 * By index: event k in the middle of its cell, position i at its right edge. By the clock: gaps in
 * proportion, long ones folded.
 * @param {number} n
 * @param {ArrayLike<number> | null} times
 * @returns {Axis}
 */
export function axis(n, times = null) {
  if (!times || n < 2) {
    return {
      event: (k) => (k - 0.5) / n,
      at: (i) => i / n,
      folds: [],
      length: n,
      nearest: (share) => clamp(Math.round(share * n), 0, n),
    };
  }
  const gaps = new Float64Array(n - 1);
  for (let k = 1; k < n; k += 1) gaps[k - 1] = Math.max(0, times[k] - times[k - 1]) || 0;
  const sorted = gaps.filter((g) => g > 0).sort();
  const typical = sorted.length ? sorted[sorted.length >> 1] : 1;
  const folds = [];
  const edge = new Float64Array(n + 1);
  edge[1] = 0.6;
  gaps.forEach((gap, k) => {
    if (gap > 4 * typical) folds.push(k + 1);
    edge[k + 2] = edge[k + 1] + clamp(gap / typical, 0.35, 4);
  });
  const total = edge[n] + 0.6;
  const event = (k) => edge[k] / total;
  const at = (i) => (i === 0 ? 0 : i === n ? 1 : (edge[i] + edge[i + 1]) / 2 / total);
  const all = Float64Array.from({ length: n + 1 }, (_, i) => at(i));
  return {
    event,
    at,
    folds: folds.map((k) => ({ share: at(k), gap: gaps[k - 1] })),
    length: total,
    nearest: (share) => closest(all, share),
  };
}

/**
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 */
function closest(sorted, value) {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle;
    else high = middle;
  }
  return value - sorted[low] <= sorted[high] - value ? low : high;
}

/**
 * Counts per lane and column, for more events than there are pixels: event k (1 to n) stands at
 * share(k) of the width, in lane(k). No event is lost. `which` leaves out the events where it is 0.
 * @param {number} n
 * @param {(k: number) => number} share
 * @param {(k: number) => number} lane
 * @param {number} laneCount
 * @param {number} columns
 * @param {Uint8Array | null} which
 */
export function bins(n, share, lane, laneCount, columns, which = null) {
  const counts = Array.from({ length: laneCount }, () => new Uint32Array(columns));
  for (let k = 1; k <= n; k += 1) {
    if (which && !which[k - 1]) continue;
    counts[lane(k)][clamp(Math.floor(share(k) * columns), 0, columns - 1)] += 1;
  }
  return counts;
}

/**
 * How large marks can be, in pixels, so that no two neighbours of a lane cover each other.
 * @param {ArrayLike<number>} lanes
 * @param {(k: number) => number} share
 * @param {number} width
 */
export function markSize(lanes, share, width) {
  const last = new Map();
  let gap = 23;
  for (let k = 0; k < lanes.length; k += 1) {
    const x = share(k + 1) * width;
    if (last.has(lanes[k])) gap = Math.min(gap, x - last.get(lanes[k]));
    last.set(lanes[k], x);
  }
  return Math.round(clamp(gap, 9, 23));
}

/**
 * The next position in steps of commands: the end of a command, or 0.
 * @param {ArrayLike<number>} command
 * @param {number} at
 * @param {number} direction
 */
export function byCommand(command, at, direction) {
  const n = command.length;
  if (direction > 0) {
    if (at >= n) return n;
    let i = at + 1;
    while (i < n && command[i] === command[i - 1]) i += 1;
    return i;
  }
  if (at <= 0) return 0;
  let i = at - 1;
  while (i > 0 && command[i] === command[i - 1]) i -= 1;
  return i;
}

/**
 * The next number of a sorted list in a direction, or null.
 * @param {ArrayLike<number>} sorted
 * @param {number} at
 * @param {number} direction
 * @returns {number | null}
 */
export function next(sorted, at, direction) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < at || (direction > 0 && sorted[middle] === at)) low = middle + 1;
    else high = middle;
  }
  return sorted[direction > 0 ? low : low - 1] ?? null;
}

/**
 * How long play waits at a place, in milliseconds: a fixed time, or what lay between two events (in
 * microseconds) but at most a second, so that a night does not last one. Reduced motion is slow.
 * @param {number | null} fixed
 * @param {number} gap
 * @param {boolean} still
 */
export function pauseOf(fixed, gap, still) {
  const wait = fixed ?? (gap >= 0 ? clamp(gap / 1000, 60, 1000) : 1000);
  return still ? Math.max(wait, 1000) : wait;
}

/**
 * What a key means; null where it means nothing. The design's table of keys, and nothing else.
 * @param {string} key
 * @returns {string | null}
 */
export function action(key, { shift = false, projector = false } = {}) {
  if (key === "ArrowLeft") return shift ? "stop-back" : "back";
  if (key === "ArrowRight") return shift ? "stop-next" : "next";
  if (key === "PageUp") return projector ? "stop-back" : "back-10";
  if (key === "PageDown") return projector ? "stop-next" : "next-10";
  if (key === "." && projector) return "play";
  return (
    {
      Home: "start",
      End: "end",
      " ": "play",
      "[": "field-back",
      "]": "field-next",
      a: "pin-a",
      b: "pin-b",
      c: "compare",
      m: "mute",
      p: "predict",
      g: "goto",
      f: "filter",
      "?": "keys",
      Escape: "leave",
    }[key.length === 1 ? key.toLowerCase() : key] ?? null
  );
}

/**
 * How many events a load applies, and from which snapshot: the newest at or before the number.
 * @param {number[]} snapshots
 * @param {number} at
 */
export function origin(snapshots, at, use = true) {
  const base = use ? (snapshots.findLast((n) => n <= at) ?? null) : null;
  return { snapshot: base, applied: at - (base ?? 0) };
}
