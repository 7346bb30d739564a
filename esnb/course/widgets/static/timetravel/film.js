// A film of windows: the tape of a stream too long to be held. Pure, tested with node.
//
// Python cuts the stream into windows of `span` events. Window w holds the state after event w * span
// and what each event up to (w + 1) * span changed. So the states before and after an event are
// always in one window. A film holds the last few; what is not here has to be asked for.
import { tape } from "../shared/tape.js";

/**
 * @param {number} n
 * @param {number} span
 * @returns {import("./types.js").Film}
 */
export function filmOf(n, span, most = 24) {
  const held = new Map();
  let here = null;
  const indexOf = (i) => Math.max(0, Math.ceil(i / span) - 1);
  const at = (i) => held.get(indexOf(i)) ?? null;
  const inside = (i) => i >= 1 && i <= n;
  /** Take in a window: {from, to, paths, texts, changes, full, every}; gives those let go for it. */
  function add(window) {
    const { from, to } = window;
    const index = from / span;
    held.delete(index);
    held.set(index, { from, to, film: tape({ ...window, n: to - from }) });
    const gone = [];
    for (const [old, one] of held) {
      if (held.size <= most) break;
      if (old === index || one === here) continue;
      held.delete(old);
      gone.push({ from: one.from, to: one.to });
    }
    return gone;
  }
  /** Look at a position; false where its window is not here. */
  function look(i) {
    here = at(i) ?? here;
    return Boolean(at(i));
  }
  const step = (i) => (inside(i) && at(i) ? at(i).film.step(i - at(i).from) : []);
  /** The rows of two positions; null where one of them is not in the window of the other. */
  function rows(a, b) {
    const one = [at(a), at(b)].find((w) => w && [a, b].every((i) => i >= w.from && i <= w.to));
    return one ? one.film.rows(a - one.from, b - one.from) : null;
  }
  const value = (path, i) => (at(i) ? at(i).film.value(path, i - at(i).from) : null);
  // What is said of a field is said of the window that is looked at.
  const changed = (path) => (here ? here.film.changed(path).map((k) => k + here.from) : []);
  const series = (path) => (here ? here.film.series(path).map(([i, v]) => [i + here.from, v]) : []);
  return {
    add,
    look,
    step,
    rows,
    value,
    changed,
    series,
    has: (i) => Boolean(at(i)),
    range: () => (here ? [here.from + 1, here.to] : [1, 0]),
    get paths() {
      return here ? here.film.paths : [];
    },
  };
}

/**
 * The columns that Python sends of every event; see `Headers.packed`.
 * @param {Uint8Array} bytes
 * @param {number} n
 */
export function headersOf(bytes, n) {
  const { buffer, byteOffset: from } = bytes;
  const part = (Kind, start) =>
    (from + start) % Kind.BYTES_PER_ELEMENT === 0
      ? new Kind(buffer, from + start, n)
      : new Kind(buffer.slice(from + start, from + start + n * Kind.BYTES_PER_ELEMENT));
  return {
    time: part(Float64Array, 0),
    command: part(Uint32Array, 8 * n),
    type: part(Uint16Array, 12 * n),
    lane: part(Uint8Array, 14 * n),
  };
}
