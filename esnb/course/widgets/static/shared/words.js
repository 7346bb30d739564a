// Words and numbers: texts to paths, times and lengths of time, JSON to read, lines of Python. Pure,
// tested with node.

/**
 * @param {number} n
 * @param {number} low
 * @param {number} high
 */
export const clamp = (n, low, high) => Math.min(Math.max(n, low), high);

/**
 * Whether a path is a field, or a part of it.
 * @param {string} path
 * @param {string} field
 */
export const isUnder = (path, field) =>
  path === field || (path.startsWith(field) && ".[".includes(path[field.length]));

/** @param {string} path */
export const fieldOf = (path) => path.match(/^[^.[]+/)?.[0] ?? path;

/**
 * The number that a text is, or null.
 * @param {string | null} text
 */
export function numeric(text) {
  if (text === null || !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) return null;
  return Number(text);
}

/**
 * "status 'PENDING' to 'PAID'; paid 0 to 2690": one sentence for what changed.
 * @param {import("./tape.js").Change[]} changes
 */
export function sentence(changes, most = 3) {
  if (!changes.length) return "no field changed";
  const parts = changes.map((c) =>
    c.op === "+"
      ? `${c.path} added: ${c.after}`
      : c.op === "-"
        ? `${c.path} removed`
        : `${c.path} ${c.before} to ${c.after}`,
  );
  const more = parts.length - most;
  return parts.slice(0, most).join("; ") + (more > 0 ? `; and ${more} more` : "");
}

/**
 * @param {number} n
 * @param {string} word
 */
export const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/**
 * Microseconds since 1970 as "2026-03-02 09:04:01", with a fraction only where there is one.
 * @param {number | null | undefined} us
 */
export function moment(us) {
  if (us === null || us === undefined || Number.isNaN(us)) return "no time";
  const date = new Date(Math.floor(us / 1000));
  const text = date.toISOString();
  const rest = us - Math.floor(us / 1e6) * 1e6;
  const fraction = rest ? `.${String(rest).padStart(6, "0")}`.replace(/0+$/, "") : "";
  return `${text.slice(0, -14).replace(/^\+?0*(\d{4})/, "$1")} ${text.slice(-13, -5)}${fraction}`;
}

/** @type {[string, number][]} */
const UNITS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

/**
 * A length of time in microseconds, at most two units: "4 min 1 s".
 * @param {number} us
 */
export function span(us) {
  const size = Math.abs(us);
  if (size < 1e6) return `${Math.round(size / 1e3)} ms`;
  let left = Math.floor(size / 1e6);
  const parts = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(left / length);
    if (count) parts.push(`${count} ${unit}`);
    left -= count * length;
  }
  return parts.slice(0, 2).join(" ");
}

/**
 * A time that was typed, in microseconds since 1970; without a zone it is UTC. Null: no time.
 * @param {string} text
 */
export function parseTime(text) {
  const found = text
    .trim()
    .match(
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
    ? (zone[0] === "-" ? -1 : 1) * (+zone.slice(1, 3) * 60 + +zone.slice(-2))
    : 0;
  return date.getTime() * 1000 - shift * 60e6 + +fraction.padEnd(6, "0");
}

/**
 * A time to type as an example: one of these times, to the minute where that is not before them all.
 * @param {ArrayLike<number | null>} times
 */
export function exampleTime(times) {
  const known = Array.from(times).filter((us) => us !== null && !Number.isNaN(us));
  if (!known.length) return "2026-03-02 15:00";
  const us = known[(known.length - 1) >> 1];
  const minute = Math.floor(us / 60e6) * 60e6;
  return known.every((other) => other > minute)
    ? moment(Math.ceil(us / 1e6) * 1e6)
    : moment(minute).slice(0, 16);
}

/**
 * How many events had occurred by a time, inclusive; null when they are not the first ones.
 * @param {ArrayLike<number | null>} times
 * @param {number} us
 */
export function numberAt(times, us) {
  let count = 0;
  let prefix = 0;
  for (let k = 0; k < times.length; k += 1) {
    const time = times[k];
    if (time === null || !(time <= us)) continue;
    count += 1;
    if (k === prefix) prefix += 1;
  }
  return count === prefix ? count : null;
}

/**
 * @typedef {{open: string, close: string, items: [string, JsonPart][]}} JsonNode
 * @typedef {string | JsonNode} JsonPart
 */

/**
 * @param {string[]} tokens
 * @returns {JsonPart}
 */
function readJson(tokens) {
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
  return read();
}

/**
 * JSON text, indented, without reading its numbers: 64-bit integers stay exact. Short parts stay on
 * one line.
 * @param {string} json
 */
export function pretty(json, width = 56) {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  const flat = (node) =>
    typeof node === "string"
      ? node
      : `${node.open}${node.items.map(([key, v]) => key + flat(v)).join(", ")}${node.close}`;
  function put(node, pad) {
    const line = flat(node);
    if (typeof node === "string" || line.length + pad.length <= width || !node.items.length)
      return line;
    const inner = `${pad}  `;
    const lines = node.items.map(([key, v]) => inner + key + put(v, inner));
    return `${node.open}\n${lines.join(",\n")}\n${pad}${node.close}`;
  }
  return put(readJson(tokens), "");
}

/**
 * The Python that gives what is shown. A JSON text is a Python text as well.
 * @param {{id: string, kind: string, given?: boolean, loads: boolean}} of
 * @param {{at: number, compare?: (number | null)[] | null, muted?: number[] | null, policy?: string}} view
 */
export function code({ id, kind, given = true, loads }, view) {
  const name = JSON.stringify(id);
  const history = given ? `History(store, ${kind}, ${name})` : `History(store, ${name})`;
  if (view.muted?.length)
    return `${history}.without(${view.muted.join(", ")}, policy="${view.policy ?? "stop"}")`;
  if (view.compare) return `${history}.diff(${view.compare[0]}, ${view.compare[1]})`;
  return loads ? `store.load(${kind}, ${name}, at=${view.at})` : `${history}.at(${view.at})`;
}
