// Search and filter over the events of a stream. Pure, tested with node.
import { numeric } from "./words.js";

/** @type {Record<string, (a: number, b: number) => boolean>} */
const TESTS = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  ">=": (a, b) => a >= b,
  ">": (a, b) => a > b,
};

/**
 * A condition on one field: numbers compare as numbers, everything else by its text.
 * @param {string} test one of < <= = != >= >
 * @param {string} wanted
 * @returns {(value: string | null) => boolean}
 */
export function condition(test, wanted) {
  const limit = numeric(wanted.trim());
  const bare = (text) => (text === null ? null : text.replace(/^'(.*)'$/s, "$1"));
  return (value) => {
    const number = numeric(value);
    if (limit !== null && number !== null) return TESTS[test](number, limit);
    if (test === "=") return bare(value) === bare(wanted.trim());
    if (test === "!=") return bare(value) !== bare(wanted.trim());
    return false;
  };
}

/**
 * The first position where a condition holds, by bisection as `History.first` does it: right only if
 * it stays true to the end. `turns` says how often the answer really changes, so that a reader sees
 * whether to trust it; `scan` is the answer of asking every state.
 * @param {number} n
 * @param {(i: number) => boolean} holds
 */
export function bisect(n, holds) {
  const probes = [];
  const ask = (i) => {
    const yes = holds(i);
    probes.push([i, yes]);
    return yes;
  };
  let found = null;
  if (ask(n)) {
    let low = 0;
    let high = n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ask(middle)) high = middle;
      else low = middle + 1;
    }
    found = low;
  }
  let turns = 0;
  let scan = null;
  let last = holds(0);
  if (last) scan = 0;
  for (let i = 1; i <= n; i += 1) {
    const now = holds(i);
    if (now !== last) turns += 1;
    if (now && scan === null) scan = i;
    last = now;
  }
  return { found, probes, scan, turns };
}

/**
 * The numbers of the events whose type, data or metadata hold a text, whatever its case.
 * @param {{n: number, type: ArrayLike<number>, types: {name: string}[], data: string[], metadata: string[]}} of
 * @param {string} text
 */
export function mentions({ n, type, types, data, metadata }, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  return Array.from({ length: n }, (_, k) => k + 1).filter((k) =>
    [types[type[k - 1]].name, data[k - 1], metadata[k - 1]].some((held) =>
      held.toLowerCase().includes(wanted),
    ),
  );
}

/**
 * Which events pass a filter, 1 or 0 for each: those of the chosen types (none chosen: all), and of
 * the numbers (null: all).
 * @param {{n: number, type: ArrayLike<number>}} of
 * @param {Set<number>} chosen
 * @param {Iterable<number> | null} numbers
 */
export function passing({ n, type }, chosen, numbers) {
  const out = new Uint8Array(n);
  if (numbers === null) out.fill(1);
  else for (const k of numbers) out[k - 1] = 1;
  if (chosen.size) for (let k = 0; k < n; k += 1) if (!chosen.has(type[k])) out[k] = 0;
  return out;
}
