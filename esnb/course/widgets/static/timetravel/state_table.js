// The state panel of TimeTravel: what was, what is, what changed.
import { make, press, set, suppress, toggleButton, write } from "../shared/elements.js";
import { clamp, plural } from "../shared/words.js";
import { tooMany } from "./marks.js";
import { groupedRows, IN_PLACE, withinReach } from "./state_rows.js";

/** @typedef {import("./types.js").Clock} Clock */

const ROWS = 200;
/** @type {Record<string, string>} */
export const OPS = { "+": "added", "~": "changed", "-": "removed", "": "" };
/** @type {Record<string, string>} */
export const KINDS = { "+": "w-added", "~": "w-changed", "-": "w-removed", "": "" };

/**
 * Rows are kept and only rewritten where they differ: a drag changes few of them.
 * @param {HTMLElement} body
 * @param {(row: import("./state_rows.js").Shown) => void} onpress
 */
function poolOf(body, onpress) {
  const pool = [];
  return {
    at(k) {
      if (pool[k]) return pool[k];
      const name = make("button", {
        type: "button",
        ...suppress,
        class: "tt-name",
        tabindex: "-1",
        onclick: () => onpress(pool[k].row),
      });
      const cells = [make("td"), make("td"), make("td")];
      const tr = make("tr", {}, make("th", { scope: "row" }, name), cells);
      pool[k] = { tr, name, cells, row: null };
      body.append(tr);
      return pool[k];
    },
    /** @param {number} used */
    hideFrom: (used) =>
      pool.slice(used).forEach(({ tr }) => {
        tr.hidden = true;
      }),
  };
}

/**
 * @param {any} slot
 * @param {import("./state_rows.js").Shown} row
 * @param {string | null} field
 */
function fill(slot, row, field) {
  const { tr, name, cells } = slot;
  slot.row = row;
  tr.hidden = false;
  const kind = `${row.group ? "tt-group" : ""} ${row.child ? "tt-child" : ""} ${KINDS[row.op]}`;
  if (tr.className !== kind) tr.className = kind;
  write(name, row.group ? `${row.expanded ? "▾" : "▸"} ${row.field}` : (row.child ?? row.path));
  set(name, "aria-expanded", row.group ? row.expanded : null);
  set(name, "aria-pressed", row.group ? null : field === row.path);
  name.title = row.group ? "open or close" : `history of ${row.path}`;
  write(cells[0], row.op && row.before !== null ? row.before : "");
  write(cells[1], row.op === "-" ? "" : (row.now ?? ""));
  write(
    cells[2],
    row.op ? `${row.op} ${OPS[row.op]}` : row.inner && !row.expanded ? "~ inside" : "",
  );
}

/**
 * How many rows of 30 pixels are left of 720 in a lecture hall, below the timeline.
 * @param {Clock} clock
 */
function roomOf(clock) {
  const { payload } = clock;
  const lanes =
    payload.lanes.length + (payload.refused?.length ? 1 : 0) + (tooMany(clock) ? 1.5 : 0);
  return clamp(Math.floor((330 - 26 * lanes) / 30), 3, 8);
}

/** @param {Clock} clock */
export function stateTableOf(clock) {
  const { s } = clock;
  const title = make("h3", {});
  const changedOnly = toggleButton("only what changed", () =>
    clock.change({ changedOnly: !s.changedOnly }),
  );
  const columns = ["field", "before", "now", "change"].map((text) =>
    make("th", { scope: "col" }, text),
  );
  const body = make("tbody");
  const more = make("p", { class: "tt-more" });
  const late = make("p", { class: "tt-late" });
  const element = make(
    "article",
    { class: "tt-card tt-state" },
    make("div", { class: "tt-card-top" }, title, changedOnly),
    make("table", {}, make("thead", {}, make("tr", {}, columns)), body),
    more,
    late,
  );
  const pool = poolOf(body, (row) => {
    if (row.group) clock.change({ open: s.open.set(row.field, !row.expanded) });
    else clock.change({ field: s.field === row.path ? null : row.path });
  });
  const room = roomOf(clock);
  function update() {
    press(changedOnly, s.changedOnly);
    write(late, s.late || (s.stale ? `Event ${s.at} is on its way.` : ""));
    const [a, b] = s.compare ? s.pins : [Math.max(s.at - 1, 0), s.at];
    const found = clock.rowsOf(a, b);
    if (!found) return; // what was shown before stays, veiled after a while
    const all = groupedRows(
      found.filter((row) => row.op || !s.changedOnly),
      s.open,
      s.projector ? room - 1 : IN_PLACE,
    );
    const rows = withinReach(all, s.projector ? room - Number(all.length > room) : ROWS);
    write(
      title,
      s.compare
        ? `From A (${a}) to B (${b})`
        : s.at
          ? `State after event ${s.at}`
          : "State before anything happened",
    );
    write(columns[1], s.compare ? `at ${a}` : "before");
    write(columns[2], s.compare ? `at ${b}` : "now");
    rows.forEach((row, k) => fill(pool.at(k), row, s.field));
    pool.hideFrom(rows.length);
    const left = all.length - rows.length;
    write(more, left ? `and ${plural(left, "more row")}` : rows.length ? "" : "no field changed");
  }
  return { element, update };
}
