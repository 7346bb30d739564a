// Questions about events, made from the data itself, and orders of events. Pure, tested with node.
import { fieldOf, numeric, sentence } from "./words.js";

/**
 * @typedef {{kind: string, text: string, truth: string, options: string[], path?: string,
 *   number?: number}} Question
 */

/**
 * Questions about event i: which fields change, and one value after it. The wrong answers are the
 * usual ones: the value before, the number in the event, nothing.
 * @returns {Question[]}
 */
export function questions(tapeOf, payload, i) {
  const step = tapeOf.step(i);
  const fields = names(step);
  const out = [
    {
      kind: "fields",
      text: "Which fields will change?",
      truth: fields,
      options: fieldOptions(tapeOf, i, fields),
    },
  ];
  const target =
    step.find((c) => c.op !== "-" && c.path === fieldOf(c.path)) ?? step.find((c) => c.op !== "-");
  if (target) {
    out.push({
      kind: "value",
      path: target.path,
      text: `What will ${target.path} be?`,
      truth: target.after,
      options: valueOptions(tapeOf, payload, i, target),
    });
  }
  return out;
}

/**
 * A question about the past: the change is shown, and which event made it is asked.
 * @returns {Question | null}
 */
export function whichEvent(tapeOf, payload, turn) {
  const [first, last] = tapeOf.range();
  const able = Array.from({ length: last - first + 1 }, (_, k) => k + first).filter(
    (k) => tapeOf.step(k).length,
  );
  if (!able.length) return null;
  const number = able[(turn * 7 + Math.floor(able.length / 2)) % able.length];
  const label = (k) => `${k} ${payload.types[payload.type[k - 1]].name}`;
  const told = sentence(tapeOf.step(number), 4);
  // Only one answer may be right, so an event that made the very same change is left out.
  const others = able.filter((k) => sentence(tapeOf.step(k), 4) !== told);
  const near = [...others].sort((a, b) => Math.abs(a - number) - Math.abs(b - number)).slice(0, 3);
  return {
    kind: "event",
    number,
    text: `Which event made this change: ${told}?`,
    truth: label(number),
    options: shuffled([number, ...near].map(label), number + turn),
  };
}

/**
 * Where an order of events first breaks a rule, from the precomputed tree of what may follow what. A
 * node maps each event that may come next to the next node, and each other to the reason.
 * @param {any} tree
 * @param {number[]} numbers
 */
export function firstIllegal(tree, numbers) {
  let node = tree;
  for (let k = 0; k < numbers.length; k += 1) {
    const found = node[numbers[k]];
    if (typeof found === "string") return { index: k, reason: found };
    node = found;
  }
  return null;
}

/**
 * A mixed order of 1 to n that is not the right one, the same each time for the same turn.
 * @param {number} n
 * @param {number} turn
 * @returns {number[]}
 */
export function mixed(n, turn) {
  const right = Array.from({ length: n }, (_, k) => k + 1);
  for (let seed = turn; ; seed += 1) {
    const out = shuffled(
      right.map((k) => String(k).padStart(3, "0")),
      seed,
    ).map(Number);
    if (n < 2 || out.some((k, i) => k !== right[i])) return out;
  }
}

const names = (step) => [...new Set(step.map((c) => fieldOf(c.path)))].join(", ") || "nothing";

function fieldOptions(tapeOf, i, truth) {
  const found = new Set([truth, "nothing"]);
  // What events of other types change is what a reader may mix up, the nearest first.
  const [first, last] = tapeOf.range();
  for (let d = 1; d <= last - first && found.size < 4; d += 1)
    for (const k of [i - d, i + d])
      if (k >= first && k <= last && found.size < 4) found.add(names(tapeOf.step(k)));
  for (const path of tapeOf.paths) if (found.size < 4) found.add(fieldOf(path));
  return shuffled([...found], i);
}

function valueOptions(tapeOf, payload, i, target) {
  const found = new Set([target.after]);
  if (target.before !== null) found.add(target.before);
  const was = numeric(target.before);
  for (const text of payload.data[i - 1].match(/"(?:[^"\\]|\\.)*"|-?\d+(\.\d+)?/g) ?? []) {
    const number = numeric(text);
    if (number === null || numeric(target.after) === null) continue;
    found.add(text);
    if (was !== null) found.add(String(was + number)).add(String(was - number));
  }
  for (const k of tapeOf.changed(target.path)) {
    if (found.size >= 5) break;
    const other = tapeOf.value(target.path, k);
    if (other !== null) found.add(other);
  }
  if (found.size < 3) found.add("None");
  const rest = [...found].filter((x) => x !== target.after).slice(0, 3);
  return shuffled([target.after, ...rest], i);
}

/**
 * The same order each time, and no fixed place for the right answer.
 * @param {(string | number)[]} items
 * @param {number} seed
 */
function shuffled(items, seed) {
  let x = (seed * 2654435761 + 97) >>> 0;
  const out = items.map(String).sort();
  for (let k = out.length - 1; k > 0; k -= 1) {
    x = (x * 1664525 + 1013904223) >>> 0;
    const j = x % (k + 1);
    [out[k], out[j]] = [out[j], out[k]];
  }
  return out;
}
