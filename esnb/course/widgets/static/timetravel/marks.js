// The marks on the timeline: one for each event, or counts where there are too many.
import { bareSymbol, draw, make, set, suppress } from "../shared/elements.js";
import { bins } from "../shared/places.js";
import { plural } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

const MARKS_UP_TO = 500;

/** @param {Clock} clock */
export const tooMany = ({ n }) => n > MARKS_UP_TO;

/**
 * @param {Clock} clock
 * @param {string} id
 */
function box({ payload }, id, attributes) {
  const lanes = payload.lanes.map((_, lane) =>
    make("div", {
      class: "tt-lane",
      style: `top:calc(var(--tt-lane) * ${lane + 0.5})`,
      role: attributes.tabindex ? "presentation" : null,
    }),
  );
  return make(
    "div",
    {
      class: "tt-marks",
      id: `${id}-marks`,
      ...suppress,
      ...attributes,
      "aria-label": `events of ${payload.id}`,
    },
    lanes,
  );
}

/**
 * The mark of event k + 1.
 * @param {import("./types.js").Payload} payload
 * @param {string} id
 * @param {number} k
 */
function markOf(payload, id, k) {
  const look = {
    class: "tt-mark",
    role: "option",
    id: `${id}-e${k + 1}`,
    "aria-selected": "false",
    style: `top:calc(var(--tt-lane) * ${payload.lane[k] + 0.5})`,
  };
  return make("div", look, bareSymbol(payload.types[payload.type[k]], "100%"));
}

/**
 * One mark for each event; together they are one list with one choice.
 * @param {Clock} clock
 * @param {string} id
 */
export function marksOf(clock, id) {
  const { payload, film, n, s } = clock;
  const element = box(clock, id, {
    role: "listbox",
    tabindex: "0",
    "aria-orientation": "horizontal",
  });
  const marks = Array.from({ length: n }, (_, k) => markOf(payload, id, k));
  element.append(...marks);
  const told = new Map();
  let shown = null;
  let lightFor = null;
  /** The letters on the mark are part of its name: who speaks to the computer says what is seen. */
  function name(k, aside) {
    if (told.get(k) === aside) return;
    told.set(k, aside);
    const label = `${k + 1}: ${clock.typeName(k + 1)}, ${plural(film.step(k + 1).length, "field")} changed${
      aside
    }, ${payload.types[payload.type[k]].code}`;
    set(marks[k], "aria-label", label);
    marks[k].title = label;
  }
  function light(lit, passed) {
    if (lightFor?.lit === lit && lightFor.passed === passed) return;
    lightFor = { lit, passed };
    const numbers = new Set(lit);
    marks.forEach((one, k) => {
      one.classList.toggle("tt-lit", numbers.has(k + 1));
      one.classList.toggle("tt-faded", Boolean(passed) && !passed[k]);
    });
  }
  function update() {
    const passed = clock.passed();
    light(clock.lit(), passed);
    if (shown !== s.at) {
      for (const k of [shown, s.at]) if (k) set(marks[k - 1], "aria-selected", k === s.at);
      set(element, "aria-activedescendant", s.at ? marks[s.at - 1].id : null);
      shown = s.at;
    }
    const muted = new Set(s.muted);
    marks.forEach((one, k) => {
      one.classList.toggle("tt-muted", muted.has(k + 1));
      name(
        k,
        `${muted.has(k + 1) ? ", muted" : ""}${passed && !passed[k] ? ", filtered out" : ""}`,
      );
    });
  }
  return {
    element,
    update,
    marks,
    /** @param {import("../shared/places.js").Axis} where */
    place: (where) =>
      marks.forEach((one, k) => {
        one.style.left = `${(where.event(k + 1) * 100).toFixed(4)}%`;
      }),
    forget: () => {
      told.clear();
      lightFor = shown = null;
    },
  };
}

/**
 * Counts per column and lane; the height is a share of the lane's highest column, in all of them.
 * @param {Clock} clock
 * @param {string} id
 */
export function countsOf(clock, id) {
  const { payload, n, s } = clock;
  const element = box(clock, id, { role: "img" });
  const look = { preserveAspectRatio: "none", "aria-hidden": "true" };
  const all = draw("svg", { class: "tt-counts", ...look });
  const some = draw("svg", { class: "tt-lit-counts", ...look });
  element.append(all, some);
  let where = null;
  let columns = 50;
  let most = [];
  let lightFor = null;
  const count = (mask) =>
    bins(n, where.event, (k) => payload.lane[k - 1], payload.lanes.length, columns, mask);
  function paint(into, counts) {
    set(into, "viewBox", `0 0 ${columns} ${payload.lanes.length * 100}`);
    into.replaceChildren(
      ...counts.map((row, lane) => {
        let d = "";
        row.forEach((number, x) => {
          if (number)
            d += `M${x} ${lane * 100 + 92}h1v${-(10 + (70 * number) / most[lane]).toFixed(1)}h-1z`;
        });
        return draw("path", { d });
      }),
    );
  }
  function update() {
    const lit = clock.lit();
    const passed = clock.passed();
    if (!where || (lightFor?.lit === lit && lightFor.passed === passed)) return;
    lightFor = { lit, passed };
    const which = s.field ? new Uint8Array(n) : passed;
    if (s.field) for (const k of lit) which[k - 1] = 1;
    if (which) paint(some, count(which));
    else some.replaceChildren();
  }
  return {
    element,
    update,
    marks: [],
    /**
     * @param {import("../shared/places.js").Axis} axis
     * @param {number} width
     */
    place(axis, width) {
      where = axis;
      columns = Math.max(50, Math.floor(width));
      const counts = count(null);
      most = counts.map((row) => row.reduce((a, b) => Math.max(a, b), 1));
      paint(all, counts);
      lightFor = null;
    },
    forget: () => {
      lightFor = null;
    },
  };
}
