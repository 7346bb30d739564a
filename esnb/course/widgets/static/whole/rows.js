// The rows of a whole store: its aggregates at a time, page by page.
import {
  bar,
  bareSymbol,
  button,
  heads,
  make,
  press,
  suppress,
  toggleButton,
  write,
} from "../shared/elements.js";
import { moment } from "../shared/words.js";

/**
 * @typedef {import("./whole.js").Whole} Whole
 * @typedef {import("./whole.js").Row} Row
 */

/** @type {Record<string, string>} */
const WORDS = { "+": "+ new", "~": "~ changed", "-": "− closed", "": "" };
/** @type {Record<string, string>} */
const KINDS = { "+": "w-added", "~": "w-changed", "-": "w-removed", "": "" };
const PAGE = 12;

/**
 * Which rows: one kind, only what changed, a text in the name.
 * @param {Whole} whole
 */
export function chooseOf(whole) {
  const { payload, s } = whole;
  const kinds = payload.kinds.map((name, k) =>
    toggleButton(name, () => whole.change({ kind: s.kind === k ? null : k })),
  );
  const only = toggleButton("only what changed (c)", () => whole.act("changed"));
  const group = bar("rows", kinds.length > 1 ? kinds : [], only);
  group.classList.add("wh-choose");
  const text = make("input", {
    type: "text",
    ...suppress,
    placeholder: "part of an id",
    class: "wh-text",
    "aria-label": "aggregates whose id has a text",
    spellcheck: "false",
  });
  text.addEventListener("input", () => whole.change({ text: text.value }));
  const element = make("div", { class: "w-bar" }, group, text);
  function update() {
    kinds.forEach((one, k) => press(one, s.kind === k));
    press(only, s.changed);
    for (const one of [...kinds, only, text]) one.disabled = !whole.live();
  }
  return { element, group, update };
}

/**
 * @param {Whole} whole
 * @param {any} slot
 * @param {Row} row
 */
function fill(whole, slot, row) {
  const { payload } = whole;
  const { tr, name, cells } = slot;
  slot.id = row.id;
  tr.hidden = false;
  if (tr.className !== KINDS[row.sign]) tr.className = KINDS[row.sign];
  write(name, row.id);
  name.disabled = !whole.live();
  const title = whole.live() ? `open the time travel of ${row.id}` : "run the notebook to open it";
  if (name.title !== title) name.title = title;
  payload.columns.forEach((_, k) => {
    const [then, now] = row.cells[k];
    const changed = row.sign !== "+" && then !== null && then !== now;
    write(cells[k], now === null ? "" : changed ? `${then} → ${now}` : now);
    cells[k].classList.toggle("wh-changed", changed || (row.sign === "+" && now !== null));
  });
  const [type, version, change] = cells.slice(payload.columns.length);
  if (slot.type !== row.event_type) {
    slot.type = row.event_type;
    type.replaceChildren(
      make(
        "span",
        { class: "wh-type" },
        bareSymbol(payload.types[row.event_type], "1.3em"),
        make("span", {}, row.event_type),
      ),
    );
  }
  type.title = `${moment(row.us)} UTC`;
  write(version, String(row.version));
  write(change, WORDS[row.sign]);
}

/** @param {Whole} whole */
export function rowsOf(whole) {
  const { payload, s } = whole;
  const body = make("tbody");
  const table = make(
    "table",
    { class: "wh-table" },
    heads(["aggregate", ...payload.columns, "last event", "version", "change"]),
    body,
  );
  const element = make("div", { role: "group", "aria-label": "aggregates" }, table);
  const pool = [];
  function rowAt(k) {
    if (pool[k]) return pool[k];
    const name = button("", () => whole.open(pool[k].id), { class: "wh-name" });
    const cells = Array.from({ length: payload.columns.length + 3 }, () => make("td"));
    const tr = make("tr", {}, make("th", { scope: "row" }, name), cells);
    body.append(tr);
    pool[k] = { tr, name, cells, type: null, id: null };
    return pool[k];
  }
  function update() {
    const rows = s.answer.rows.slice(0, s.projector ? 6 : PAGE);
    rows.forEach((row, k) => fill(whole, rowAt(k), row));
    pool.slice(rows.length).forEach(({ tr }) => {
      tr.hidden = true;
    });
    return rows.length;
  }
  return { element, update, focus: () => body.querySelector("button")?.focus() };
}

/** @param {Whole} whole */
export function pagesOf(whole) {
  const { s } = whole;
  const turn = (by) => whole.change({ first: Math.max(0, s.first + by) });
  const back = button("previous rows", () => turn(-PAGE));
  const forth = button("next rows", () => turn(PAGE));
  const where = make("span", { class: "w-soft" });
  const element = bar("pages", back, forth, where);
  element.classList.add("wh-pages");
  /** @param {number} shown */
  function update(shown) {
    const { answer } = s;
    back.disabled = !whole.live() || answer.first === 0;
    forth.disabled = !whole.live() || answer.first + answer.rows.length >= answer.found;
    write(
      where,
      answer.found
        ? `${answer.first + 1} to ${answer.first + shown} of ${answer.found}`
        : "no aggregate",
    );
  }
  return { element, update };
}
