// A tape: the state at 0, a full state every so often, and what each event changed. Pure, tested with
// node. Values are texts, written as Python writes them; a tape never interprets an event, and never
// folds.
import { clamp, isUnder, numeric } from "./words.js";

export const ABSENT = -1;

/**
 * What Python sends of a fold. `changes` holds for each event a flat list of path, before, after;
 * `full` a flat list of path, text for every `every`-th state.
 * @typedef {{n: number, changes: number[][], full: number[][], every: number, paths: string[],
 *   texts: string[]}} TapeData
 * @typedef {"+" | "~" | "-"} Sign
 * @typedef {{path: string, op: Sign, before: string | null, after: string | null}} Change
 * @typedef {{path: string, op: Sign | "", before: string | null, now: string | null}} Row
 * @typedef {Map<number, number>} State path number to text number
 */

/**
 * @param {number[]} flat
 * @returns {State}
 */
function mapOf(flat) {
  const map = new Map();
  for (let k = 0; k < flat.length; k += 2) map.set(flat[k], flat[k + 1]);
  return map;
}

/**
 * @param {State} one
 * @param {State} two
 */
function union(one, two) {
  return [...new Set([...one.keys(), ...two.keys()])].sort((a, b) => a - b);
}

/**
 * An empty dict that gets its first key is gone as a leaf; to a reader it is still there.
 * @param {{path: string, before: string | null, after: string | null}} change
 * @param {{path: string}[]} all
 */
function isShell(change, all) {
  const value = change.after === null ? change.before : change.before === null ? change.after : "";
  if (value !== "{}" && value !== "[]" && value !== "()") return false;
  return all.some((c) => c.path !== change.path && isUnder(c.path, change.path));
}

/** Moves through a tape. `seek(i)` gives the state after event i. */
export class Tape {
  /** @param {TapeData} data */
  constructor(data) {
    this.n = data.n;
    this.paths = data.paths;
    this.data = data;
    /** @type {Map<string, number>} */
    this.index = new Map(data.paths.map((path, number) => [path, number]));
    this.at = 0;
    this.state = mapOf(data.full[0]);
    /** @type {number[][] | null} */
    this.history = null;
  }

  /**
   * @param {number} path
   * @param {number} text
   */
  put(path, text) {
    if (text === ABSENT) this.state.delete(path);
    else this.state.set(path, text);
  }

  forward() {
    const step = this.data.changes[this.at++];
    for (let k = 0; k < step.length; k += 3) this.put(step[k], step[k + 2]);
  }

  back() {
    const step = this.data.changes[--this.at];
    for (let k = step.length - 3; k >= 0; k -= 3) this.put(step[k], step[k + 1]);
  }

  /** @param {number} i */
  seek(i) {
    const { every, full } = this.data;
    const to = clamp(Math.round(i), 0, this.n);
    const block = Math.min(Math.floor(to / every), full.length - 1);
    if (Math.abs(to - this.at) > to - block * every) {
      this.at = block * every;
      this.state = mapOf(full[block]);
    }
    while (this.at < to) this.forward();
    while (this.at > to) this.back();
    return this.state;
  }

  /**
   * What event i changed.
   * @param {number} i
   * @returns {Change[]}
   */
  step(i) {
    const row = i >= 1 && i <= this.n ? this.data.changes[i - 1] : [];
    const out = [];
    for (let k = 0; k < row.length; k += 3) out.push(this.change(row[k], row[k + 1], row[k + 2]));
    return out.filter((c) => !isShell(c, out));
  }

  /**
   * @param {number} path
   * @param {number} before
   * @param {number} after
   * @returns {Change}
   */
  change(path, before, after) {
    const op = before === ABSENT ? "+" : after === ABSENT ? "-" : "~";
    return { path: this.paths[path], op, before: this.text(before), after: this.text(after) };
  }

  /** @param {number | undefined} number */
  text(number) {
    return number === ABSENT || number === undefined ? null : this.data.texts[number];
  }

  /**
   * What separates two positions, in the order of the paths; diff(b, a) is its mirror image.
   * @param {number} a
   * @param {number} b
   * @returns {Change[]}
   */
  diff(a, b) {
    const changed = this.pairs(a, b).filter(([, before, after]) => before !== after);
    const out = changed.map(([path, before, after]) => this.change(path, before, after));
    return out.filter((c) => !isShell(c, out));
  }

  /**
   * All fields of both positions.
   * @param {number} a
   * @param {number} b
   * @returns {Row[]}
   */
  rows(a, b) {
    /** @type {Row[]} */
    const out = this.pairs(a, b).map(([path, before, after]) => {
      const { op } = this.change(path, before, after);
      return {
        path: this.paths[path],
        op: before === after ? "" : op,
        before: this.text(before),
        now: this.text(after),
      };
    });
    return out.filter((r) => !isShell({ ...r, after: r.now }, out));
  }

  /**
   * Each path of two positions with its two texts.
   * @param {number} a
   * @param {number} b
   * @returns {[number, number, number][]}
   */
  pairs(a, b) {
    const one = new Map(this.seek(a));
    const two = this.seek(b);
    return union(one, two).map((path) => [path, one.get(path) ?? ABSENT, two.get(path) ?? ABSENT]);
  }

  /**
   * The numbers of the events that changed a path or anything below it, in order.
   * @param {string} path
   */
  changed(path) {
    this.history ??= this.record();
    const { history } = this;
    const found = new Set();
    this.paths.forEach((name, number) => {
      if (isUnder(name, path)) for (const event of history[number]) found.add(event);
    });
    return [...found].sort((a, b) => a - b);
  }

  /** For each path, the events that changed it. */
  record() {
    /** @type {number[][]} */
    const history = this.paths.map(() => []);
    this.data.changes.forEach((row, k) => {
      for (let j = 0; j < row.length; j += 3) history[row[j]].push(k + 1);
    });
    return history;
  }

  /**
   * The numeric values of a path over time: position and value, one for each change.
   * @param {string} path
   * @returns {[number, number][]}
   */
  series(path) {
    const number = this.index.get(path);
    /** @type {[number, number][]} */
    const out = [];
    if (number === undefined) return out;
    const note = (i, text) => {
      const value = numeric(this.text(text));
      if (value !== null) out.push([i, value]);
    };
    note(0, mapOf(this.data.full[0]).get(number));
    for (const i of this.changed(path)) {
      const row = this.data.changes[i - 1];
      for (let k = 0; k < row.length; k += 3) if (row[k] === number) note(i, row[k + 2]);
    }
    return out;
  }

  /**
   * @param {string} path
   * @param {number} i
   */
  value(path, i) {
    const number = this.index.get(path);
    return number === undefined ? null : this.text(this.seek(i).get(number));
  }

  /**
   * The first and the last event that it knows.
   * @returns {[number, number]}
   */
  range() {
    return [1, this.n];
  }

  has() {
    return true;
  }

  look() {
    return true;
  }
}

/** @param {TapeData} data */
export const tape = (data) => new Tape(data);
