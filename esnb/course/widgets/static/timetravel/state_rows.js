// Which rows the state panel shows: fields with their parts, and what changed first where it is long.
import { fieldOf, plural } from "../shared/words.js";

/**
 * @typedef {import("../shared/tape.js").Row} Row
 * @typedef {Row & {group?: boolean, field?: string, expanded?: boolean, inner?: boolean, child?: string}} Shown
 */

export const IN_PLACE = 9; // rows of a table that is seen whole

/** @param {Shown} row */
const moved = (row) => Boolean(row.op || row.inner);

/**
 * Fields with several parts become a row that opens; what changed inside shows also when it is closed.
 * @param {Row[]} rows
 * @param {Map<string, boolean>} open what the reader opened or closed
 * @param {number} room
 * @returns {Shown[]}
 */
export function groupedRows(rows, open, room) {
  /** @type {Map<string, Row[]>} */
  const fields = new Map();
  for (const row of rows) {
    const field = fieldOf(row.path);
    fields.set(field, [...(fields.get(field) ?? []), row]);
  }
  /** @type {Shown[]} */
  const out = [];
  for (const [field, own] of fields) {
    if (own.length === 1 && own[0].path === field) {
      out.push(own[0]);
      continue;
    }
    const expanded = open.get(field) ?? rows.length <= room;
    const changed = own.filter((row) => row.op);
    const words = [plural(own.length, "value"), changed.length ? `${changed.length} changed` : ""];
    out.push({
      group: true,
      field,
      path: field,
      expanded,
      op: "",
      before: null,
      now: words.filter(Boolean).join(", "),
      inner: changed.length > 0,
    });
    const parts = expanded ? own : changed;
    out.push(...parts.map((row) => ({ ...row, child: row.path.slice(field.length) || "(empty)" })));
  }
  return out;
}

/**
 * At most so many rows. In a long table, what changed comes first: it has to be seen without
 * scrolling.
 * @param {Shown[]} rows
 * @param {number} limit
 */
export function withinReach(rows, limit) {
  if (rows.length <= Math.min(limit, IN_PLACE)) return rows;
  return [...rows].sort((p, q) => Number(moved(q)) - Number(moved(p))).slice(0, limit);
}
