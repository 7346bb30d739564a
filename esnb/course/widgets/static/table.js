// The state panel of TimeTravel: what was, what is, what changed, and the history of one field.
import { clamp, fieldOf, next, plural } from "./core.js";
import { draw, make, suppress, write } from "./page.js";

const ROWS = 200;
export const OPS = { "+": "added", "~": "changed", "-": "removed", "": "" };

export function set(element, name, value) {
  const text = value === null ? null : String(value);
  if (text === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function tableOf(clock, { parts, refused, many }) {
  const { payload, film, n, s } = clock;

  // Rows are kept and only rewritten where they differ: a drag changes few of them.
  const pool = [];
  function rowAt(k) {
    if (pool[k]) return pool[k];
    const name = make("button", { type: "button", ...suppress, class: "tt-name", tabindex: "-1",
      onclick: () => pressRow(pool[k].row) });
    const cells = [make("td"), make("td"), make("td")];
    const tr = make("tr", {}, make("th", { scope: "row" }, name), ...cells);
    pool[k] = { tr, name, cells, row: null };
    parts.body.append(tr);
    return pool[k];
  }
  function pressRow(row) {
    if (row.group) {
      s.open.set(row.field, !row.expanded);
      clock.emit();
    } else clock.change({ field: s.field === row.path ? null : row.path });
  }
  // How many rows of 30 pixels are left of 720 in a lecture hall, below the timeline.
  const room = clamp(Math.floor((330 - 26 * (payload.lanes.length + (refused ? 1 : 0) + (many ? 1.5 : 0))) / 30), 3, 8);
  function updateState() {
    const [a, b] = s.compare ? s.pins : [Math.max(s.at - 1, 0), s.at];
    const found = clock.rowsOf(a, b);
    if (!found) return; // what was shown before stays, veiled after a while
    const all = found.filter((row) => row.op || !s.changedOnly);
    const shown = grouped(all);
    const limit = s.projector ? room : ROWS;
    const rows = shown.length > limit
      ? [...shown].sort((p, q) => Number(Boolean(q.op)) - Number(Boolean(p.op))).slice(0, limit) : shown;
    write(parts.stateTitle, s.compare ? `From A (${a}) to B (${b})`
      : s.at ? `State after event ${s.at}` : "State before anything happened");
    write(parts.columns[1], s.compare ? `at ${a}` : "before");
    write(parts.columns[2], s.compare ? `at ${b}` : "now");
    rows.forEach((row, k) => fill(rowAt(k), row));
    for (let k = rows.length; k < pool.length; k += 1) pool[k].tr.hidden = true;
    const left = shown.length - rows.length;
    write(parts.more, left ? `and ${plural(left, "more row")}` : rows.length ? "" : "no field changed");
  }
  function grouped(rows) {
    const fields = new Map();
    for (const row of rows) {
      const field = fieldOf(row.path);
      if (!fields.has(field)) fields.set(field, []);
      fields.get(field).push(row);
    }
    const out = [];
    for (const [field, own] of fields) {
      if (own.length === 1 && own[0].path === field) {
        out.push(own[0]);
        continue;
      }
      const expanded = s.open.get(field) ?? rows.length <= (s.projector ? room - 1 : 24);
      const changed = own.filter((row) => row.op).length;
      const words = [plural(own.length, "value"), changed ? `${changed} changed` : ""].filter(Boolean);
      out.push({ group: true, field, path: field, expanded, op: "", before: null,
        now: words.join(", "), inner: changed > 0 });
      if (expanded) out.push(...own.map((row) => ({ ...row, child: row.path.slice(field.length) || "(empty)" })));
    }
    return out;
  }
  function fill(slot, row) {
    const { tr, name, cells } = slot;
    slot.row = row;
    tr.hidden = false;
    const kind = `${row.group ? "tt-group" : ""} ${row.child ? "tt-child" : ""} ${
      { "+": "w-added", "~": "w-changed", "-": "w-removed", "": "" }[row.op]}`;
    if (tr.className !== kind) tr.className = kind;
    write(name, row.group ? `${row.expanded ? "▾" : "▸"} ${row.field}` : row.child ?? row.path);
    set(name, "aria-expanded", row.group ? row.expanded : null);
    set(name, "aria-pressed", row.group ? null : s.field === row.path);
    name.title = row.group ? "open or close" : `history of ${row.path}`;
    write(cells[0], row.op && row.before !== null ? row.before : "");
    write(cells[1], row.op === "-" ? "" : row.now ?? "");
    write(cells[2], row.op ? `${row.op} ${OPS[row.op]}` : row.inner && !row.expanded ? "~ inside" : "");
  }

  function updateField() {
    const filtering = Boolean(clock.passed());
    parts.fieldBar.hidden = !s.field && !filtering;
    if (parts.fieldBar.hidden) return;
    const numbers = clock.lit();
    const [from, to] = payload.long ? film.range() : [1, n];
    const named = [s.filter.types.size ? [...s.filter.types].map((k) => payload.types[k].name).join(" or ") : "",
      s.filter.text ? `“${s.filter.text}”` : ""].filter(Boolean).join(" with ");
    const what = s.field ? `${payload.long ? `in events ${from} to ${to}, ` : ""}${s.field} was changed by`
      : `${named}:`;
    const few = [...numbers.slice(0, 12)].join(", ");
    write(parts.fieldText, `${what} ${plural(numbers.length, "event")}${s.field && filtering ? ` of ${named}` : ""}${
      numbers.length ? `: ${few}${numbers.length > 12 ? ", …" : ""}` : ""}`);
    const further = payload.long && s.field && !filtering;
    parts.hopBack.disabled = next(numbers, s.at, -1) === null && !(further && s.at > 0);
    parts.hopNext.disabled = next(numbers, s.at, 1) === null && !(further && s.at < n);
    const points = s.field ? film.series(s.field) : [];
    parts.spark.style.display = points.length > 1 ? "" : "none";
    if (points.length < 2) return;
    const values = points.map(([, v]) => v);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const y = (v) => (high === low ? 16 : 29 - (26 * (v - low)) / (high - low));
    const px = (i) => (200 * (i - from + 1)) / Math.max(1, to - from + 1);
    let d = `M${px(points[0][0])} ${y(points[0][1])}`;
    for (const [i, v] of points.slice(1)) d += `H${px(i)}V${y(v)}`;
    parts.spark.replaceChildren(draw("path", { d: `${d}H200` }),
      draw("line", { x1: px(s.at), x2: px(s.at), y1: 0, y2: 32 }));
  }

  return {
    update() {
      updateState();
      updateField();
    },
  };
}
