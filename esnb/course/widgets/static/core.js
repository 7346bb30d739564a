// The pure core of the widgets: no page, no kernel, no clock. Tested with node.
//
// A tape holds the state at 0, a full state every so often, and what each event changed. Values are
// texts, written as Python writes them; the core never interprets an event, and never folds.

export const ABSENT = -1;

export const clamp = (n, low, high) => Math.min(Math.max(n, low), high);

/** Moves through a tape. `seek(i)` gives the state after event i as a Map: path number -> text number. */
export function tape(payload) {
  const { changes, full, every, paths, texts, n } = payload;
  const index = new Map(paths.map((path, number) => [path, number]));
  let at = 0;
  let state = load(0);
  let history = null;

  function load(block) {
    const pairs = full[block];
    const map = new Map();
    for (let k = 0; k < pairs.length; k += 2) map.set(pairs[k], pairs[k + 1]);
    return map;
  }
  function put(path, text) {
    if (text === ABSENT) state.delete(path);
    else state.set(path, text);
  }
  function forward() {
    const step = changes[at++];
    for (let k = 0; k < step.length; k += 3) put(step[k], step[k + 2]);
  }
  function back() {
    const step = changes[--at];
    for (let k = step.length - 3; k >= 0; k -= 3) put(step[k], step[k + 1]);
  }
  function seek(i) {
    const to = clamp(Math.round(i), 0, n);
    const block = Math.min(Math.floor(to / every), full.length - 1);
    if (Math.abs(to - at) > to - block * every) {
      at = block * every;
      state = load(block);
    }
    while (at < to) forward();
    while (at > to) back();
    return state;
  }
  /** What event i changed: [{path, op: "+" | "~" | "-", before, after}], texts or null. */
  function step(i) {
    const row = i >= 1 && i <= n ? changes[i - 1] : [];
    const out = [];
    for (let k = 0; k < row.length; k += 3) out.push(change(row[k], row[k + 1], row[k + 2]));
    return out.filter((c) => !isShell(c, out));
  }
  function change(path, before, after) {
    const op = before === ABSENT ? "+" : after === ABSENT ? "-" : "~";
    return { path: paths[path], op, before: text(before), after: text(after) };
  }
  const text = (number) => (number === ABSENT || number === undefined ? null : texts[number]);
  /** What separates two positions, in the order of the paths; diff(b, a) is its mirror image. */
  function diff(a, b) {
    const one = new Map(seek(a));
    const two = seek(b);
    const out = [];
    for (const path of union(one, two)) {
      const before = one.has(path) ? one.get(path) : ABSENT;
      const after = two.has(path) ? two.get(path) : ABSENT;
      if (before !== after) out.push(change(path, before, after));
    }
    return out.filter((c) => !isShell(c, out));
  }
  /** All fields of both positions: [{path, op: "" | "+" | "~" | "-", before, now}]. */
  function rows(a, b) {
    const one = new Map(seek(a));
    const two = seek(b);
    const out = [];
    for (const path of union(one, two)) {
      const before = one.has(path) ? one.get(path) : ABSENT;
      const after = two.has(path) ? two.get(path) : ABSENT;
      const op = before === after ? "" : before === ABSENT ? "+" : after === ABSENT ? "-" : "~";
      out.push({ path: paths[path], op, before: text(before), now: text(after) });
    }
    return out.filter((r) => !isShell({ ...r, after: r.now }, out));
  }
  /** The numbers of the events that changed a path or anything below it, in order. */
  function changed(path) {
    if (!history) {
      history = paths.map(() => []);
      changes.forEach((row, k) => {
        for (let j = 0; j < row.length; j += 3) history[row[j]].push(k + 1);
      });
    }
    const found = new Set();
    paths.forEach((name, number) => {
      if (isUnder(name, path)) for (const event of history[number]) found.add(event);
    });
    return [...found].sort((a, b) => a - b);
  }
  /** The numeric values of a path over time: [[position, value]], one for each change. */
  function series(path) {
    const number = index.get(path);
    const out = [];
    const note = (i, t) => {
      const value = t === ABSENT || t === undefined ? null : numeric(texts[t]);
      if (value !== null) out.push([i, value]);
    };
    if (number === undefined) return out;
    note(0, new Map(pairsOf(full[0])).get(number));
    for (const i of changed(path)) {
      const row = changes[i - 1];
      for (let k = 0; k < row.length; k += 3) if (row[k] === number) note(i, row[k + 2]);
    }
    return out;
  }
  function value(path, i) {
    const number = index.get(path);
    return number === undefined ? null : text(seek(i).get(number));
  }
  return { n, seek, step, diff, rows, changed, series, value, text, paths, range: () => [1, n] };
}

const pairsOf = (flat) => flat.flatMap((x, k) => (k % 2 ? [] : [[x, flat[k + 1]]]));

function union(one, two) {
  const all = new Set([...one.keys(), ...two.keys()]);
  return [...all].sort((a, b) => a - b);
}

/** An empty dict that gets its first key is gone as a leaf; to a reader it is still there. */
function isShell(change, all) {
  const value = change.after === null ? change.before : change.before === null ? change.after : "";
  if (value !== "{}" && value !== "[]" && value !== "()") return false;
  return all.some((c) => c.path !== change.path && isUnder(c.path, change.path));
}

export const isUnder = (path, field) =>
  path === field || (path.startsWith(field) && ".[".includes(path[field.length]));

export const fieldOf = (path) => path.match(/^[^.[]+/)?.[0] ?? path;

export function numeric(text) {
  if (text === null || !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) return null;
  return Number(text);
}

// -- words ------------------------------------------------------------------------------------

/** "status 'PENDING' to 'PAID'; paid 0 to 2690": one sentence for what changed. */
export function sentence(changes, most = 3) {
  if (!changes.length) return "no field changed";
  const parts = changes.map((c) =>
    c.op === "+" ? `${c.path} added: ${c.after}`
      : c.op === "-" ? `${c.path} removed` : `${c.path} ${c.before} to ${c.after}`);
  const more = parts.length - most;
  return parts.slice(0, most).join("; ") + (more > 0 ? `; and ${more} more` : "");
}

export const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/** Microseconds since 1970 as "2026-03-02 09:04:01", with a fraction only where there is one. */
export function moment(us) {
  if (us === null || us === undefined || Number.isNaN(us)) return "no time";
  const date = new Date(Math.floor(us / 1000));
  const text = date.toISOString();
  const rest = us - Math.floor(us / 1e6) * 1e6;
  const fraction = rest ? `.${String(rest).padStart(6, "0")}`.replace(/0+$/, "") : "";
  return `${text.slice(0, -14).replace(/^\+?0*(\d{4})/, "$1")} ${text.slice(-13, -5)}${fraction}`;
}

/** A length of time in microseconds, at most two units: "4 min 1 s". */
export function span(us) {
  const size = Math.abs(us);
  if (size < 1e6) return `${Math.round(size / 1e3)} ms`;
  let left = Math.floor(size / 1e6);
  const parts = [];
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(left / length);
    if (count) parts.push(`${count} ${unit}`);
    left -= count * length;
  }
  return parts.slice(0, 2).join(" ");
}

/** A time that was typed, in microseconds since 1970; without a zone it is UTC. Null: no time. */
export function parseTime(text) {
  const found = text.trim().match(
    /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?$/i,
  );
  if (!found) return null;
  const [, y, mo, d, h = "0", mi = "0", s = "0", fraction = "", zone = "Z"] = found;
  if (+mo < 1 || +mo > 12 || +d < 1 || +d > 31 || +h > 23 || +mi > 59 || +s > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(+y, +mo - 1, +d);
  date.setUTCHours(+h, +mi, +s);
  if (date.getUTCDate() !== +d) return null;
  const shift = /^[+-]/.test(zone)
    ? (zone[0] === "-" ? -1 : 1) * (+zone.slice(1, 3) * 60 + +zone.slice(-2)) : 0;
  return date.getTime() * 1000 - shift * 60e6 + +fraction.padEnd(6, "0");
}

/** How many events had occurred by a time, inclusive; null when these are no beginning of the stream. */
export function numberAt(times, us) {
  let count = 0;
  let prefix = 0;
  times.forEach((time, k) => {
    if (time === null || !(time <= us)) return;
    count += 1;
    if (k === prefix) prefix += 1;
  });
  return count === prefix ? count : null;
}

/** JSON text, indented, without reading its numbers: 64-bit integers stay exact. Short parts stay
 * on one line. */
export function pretty(json, width = 56) {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  let k = 0;
  function read() {
    const open = tokens[k++];
    if (open !== "{" && open !== "[") return open;
    const close = open === "{" ? "}" : "]";
    const items = [];
    while (tokens[k] !== close && k < tokens.length) {
      const key = open === "{" ? `${tokens[k++]}: ` : "";
      if (open === "{") k += 1;
      items.push([key, read()]);
      if (tokens[k] === ",") k += 1;
    }
    k += 1;
    return { open, close, items };
  }
  const flat = (node) => (typeof node === "string" ? node
    : `${node.open}${node.items.map(([key, v]) => key + flat(v)).join(", ")}${node.close}`);
  function write(node, pad) {
    const line = flat(node);
    if (typeof node === "string" || line.length + pad.length <= width || !node.items.length)
      return line;
    const inner = `${pad}  `;
    const lines = node.items.map(([key, v]) => inner + key + write(v, inner));
    return `${node.open}\n${lines.join(",\n")}\n${pad}${node.close}`;
  }
  return write(read(), "");
}

// -- places -----------------------------------------------------------------------------------

/** Where events and positions stand, as shares of the width. By index: event k in the middle of its
 * cell, position i at its right edge. By the clock: gaps in proportion, long ones folded. */
export function axis(n, times = null) {
  if (!times || n < 2) {
    return { event: (k) => (k - 0.5) / n, at: (i) => i / n, folds: [], length: n,
      nearest: (share) => clamp(Math.round(share * n), 0, n) };
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
  return { event, at, folds: folds.map((k) => ({ share: at(k), gap: gaps[k - 1] })), length: total,
    nearest: (share) => closest(all, share) };
}

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

/** Counts per lane and column, for more events than there are pixels: event k (1 to n) stands at
 * share(k) of the width, in lane(k). No event is lost. `which` leaves out the events where it is 0. */
export function bins(n, share, lane, laneCount, columns, which = null) {
  const counts = Array.from({ length: laneCount }, () => new Uint32Array(columns));
  for (let k = 1; k <= n; k += 1) {
    if (which && !which[k - 1]) continue;
    counts[lane(k)][clamp(Math.floor(share(k) * columns), 0, columns - 1)] += 1;
  }
  return counts;
}

// -- moves ------------------------------------------------------------------------------------

/** The next position in steps of commands: the end of a command, or 0. */
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

/** The next number of a sorted list in a direction, or null. */
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

/** How long play waits at a place, in milliseconds: a fixed time, or what lay between two events (in
 * microseconds) but at most a second, so that a night does not last one. Reduced motion is slow. */
export function pauseOf(fixed, gap, still) {
  const wait = fixed ?? (gap >= 0 ? clamp(gap / 1000, 60, 1000) : 1000);
  return still ? Math.max(wait, 1000) : wait;
}

/** What a key means; null where it means nothing. The design's table of keys, and nothing else. */
export function action(key, { shift = false, projector = false } = {}) {
  if (key === "ArrowLeft") return shift ? "stop-back" : "back";
  if (key === "ArrowRight") return shift ? "stop-next" : "next";
  if (key === "PageUp") return projector ? "stop-back" : "back-10";
  if (key === "PageDown") return projector ? "stop-next" : "next-10";
  if (key === "." && projector) return "play";
  return {
    Home: "start", End: "end", " ": "play", "[": "field-back", "]": "field-next", a: "pin-a",
    b: "pin-b", c: "compare", m: "mute", p: "predict", g: "goto", f: "filter", "?": "keys", Escape: "leave",
  }[key.length === 1 ? key.toLowerCase() : key] ?? null;
}

/** How many events a load applies, and from which snapshot: the newest at or before the number. */
export function origin(snapshots, at, use = true) {
  const base = use ? snapshots.findLast((n) => n <= at) ?? null : null;
  return { snapshot: base, applied: at - (base ?? 0) };
}

/** Send the newest request only, one at a time: what came in between is dropped. */
export function newestOnly(send) {
  let busy = false;
  let waiting = null;
  async function run(request) {
    busy = true;
    try {
      await send(request);
    } finally {
      busy = false;
      if (waiting) {
        const { request: newest } = waiting;
        waiting = null;
        run(newest);
      }
    }
  }
  return (request) => {
    if (busy) waiting = { request };
    else run(request);
  };
}

// -- search -----------------------------------------------------------------------------------

const TESTS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, "=": (a, b) => a === b,
  "!=": (a, b) => a !== b, ">=": (a, b) => a >= b, ">": (a, b) => a > b,
};

/** A condition on one field: numbers compare as numbers, everything else by its text. */
export function condition(path, test, wanted) {
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

/** The first position where a condition holds, by bisection as `History.first` does it: right only
 * if it stays true to the end. `turns` says how often the answer really changes, so that a reader
 * sees whether to trust it; `scan` is the answer of asking every state. */
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

/** The numbers of the events whose type, data or metadata hold a text, whatever its case. */
export function mentions({ n, type, types, data, metadata }, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  return Array.from({ length: n }, (_, k) => k + 1).filter((k) => [types[type[k - 1]].name, data[k - 1],
    metadata[k - 1]].some((held) => held.toLowerCase().includes(wanted)));
}

/** Which events pass a filter, 1 or 0 for each: those of the chosen types (none chosen: all), and
 * of the numbers (null: all). */
export function passing({ n, type }, chosen, numbers) {
  const out = new Uint8Array(n);
  if (numbers === null) out.fill(1);
  else for (const k of numbers) out[k - 1] = 1;
  if (chosen.size) for (let k = 0; k < n; k += 1) if (!chosen.has(type[k])) out[k] = 0;
  return out;
}

// -- questions --------------------------------------------------------------------------------

/** Questions about event i, made from the data itself: which fields change, and one value after it.
 * The wrong answers are the usual ones: the value before, the number in the event, nothing. */
export function questions(tapeOf, payload, i) {
  const step = tapeOf.step(i);
  const fields = names(step);
  const out = [{ kind: "fields", text: "Which fields will change?", truth: fields,
    options: fieldOptions(tapeOf, payload, i, fields) }];
  const target = step.find((c) => c.op !== "-" && c.path === fieldOf(c.path)) ??
    step.find((c) => c.op !== "-");
  if (target) {
    out.push({ kind: "value", path: target.path, text: `What will ${target.path} be?`,
      truth: target.after, options: valueOptions(tapeOf, payload, i, target) });
  }
  return out;
}

/** A question about the past: the change is shown, and which event made it is asked. */
export function whichEvent(tapeOf, payload, turn) {
  const [first, last] = tapeOf.range();
  const able = Array.from({ length: last - first + 1 }, (_, k) => k + first).filter((k) => tapeOf.step(k).length);
  if (!able.length) return null;
  const number = able[(turn * 7 + Math.floor(able.length / 2)) % able.length];
  const label = (k) => `${k} ${payload.types[payload.type[k - 1]].name}`;
  const told = sentence(tapeOf.step(number), 4);
  // Only one answer may be right, so an event that made the very same change is no option.
  const others = able.filter((k) => sentence(tapeOf.step(k), 4) !== told);
  const near = [...others].sort((a, b) => Math.abs(a - number) - Math.abs(b - number)).slice(0, 3);
  return { kind: "event", number, text: `Which event made this change: ${told}?`,
    truth: label(number), options: shuffled([number, ...near].map(label), number + turn) };
}

/** Where an order of events first breaks a rule, from the precomputed tree of what may follow what.
 * A node maps each event that may come next to the next node, and each other to the reason. */
export function firstIllegal(tree, numbers) {
  let node = tree;
  for (let k = 0; k < numbers.length; k += 1) {
    const found = node[numbers[k]];
    if (typeof found === "string") return { index: k, reason: found };
    node = found;
  }
  return null;
}

/** A mixed order of 1 to n that is not the right one, the same each time for the same turn. */
export function mixed(n, turn) {
  const right = Array.from({ length: n }, (_, k) => k + 1);
  for (let seed = turn; ; seed += 1) {
    const out = shuffled(right.map((k) => String(k).padStart(3, "0")), seed).map(Number);
    if (n < 2 || out.some((k, i) => k !== right[i])) return out;
  }
}

const names = (step) => [...new Set(step.map((c) => fieldOf(c.path)))].join(", ") || "nothing";

function fieldOptions(tapeOf, payload, i, truth) {
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

/** The same order each time, and no fixed place for the right answer. */
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

// -- code -------------------------------------------------------------------------------------

/** The Python that gives what is shown. A JSON text is a Python text as well. */
export function code({ id, kind, loads }, view) {
  const name = JSON.stringify(id);
  const history = `History(store, ${kind}, ${name})`;
  if (view.muted?.length)
    return `${history}.without(${view.muted.join(", ")}, policy="${view.policy ?? "stop"}")`;
  if (view.compare) return `${history}.diff(${view.compare[0]}, ${view.compare[1]})`;
  return loads ? `store.load(${kind}, ${name}, at=${view.at})` : `${history}.at(${view.at})`;
}
