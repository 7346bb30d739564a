// Where the timeline shows only counts, the events next to the playhead are drawn one by one.
import { bareSymbol, make } from "../shared/elements.js";
import { clamp } from "../shared/words.js";
import { tooMany } from "./marks.js";

const NEAR = 12; // marks on each side of the playhead

/** @param {import("./types.js").Clock} clock */
export function nearOf(clock) {
  const { payload, n, s } = clock;
  const many = tooMany(clock);
  const slots = Array.from({ length: many ? 2 * NEAR : 0 }, () => ({
    one: make("span"),
    type: null,
    k: null,
  }));
  const element = make(
    "div",
    { class: "tt-near", "aria-hidden": "true", hidden: !many },
    slots.map(({ one }) => one),
  );
  element.addEventListener("click", ({ target }) => {
    const slot = slots.find(({ one }) => one.contains(/** @type {Node} */ (target)));
    if (slot) clock.move(slot.k);
  });
  function fill(slot, k) {
    const type = payload.type[k - 1];
    if (slot.type !== type) slot.one.replaceChildren(bareSymbol(payload.types[type], "1.5em"));
    if (slot.k !== k) slot.one.title = `${k}: ${clock.typeName(k)}`;
    Object.assign(slot, { type, k });
    const passed = clock.passed();
    const look = `tt-near-mark${k > s.at ? " tt-later" : k === s.at ? " tt-now" : ""}${
      passed && !passed[k - 1] ? " tt-faded" : ""
    }`;
    if (slot.one.className !== look) slot.one.className = look;
  }
  function update() {
    const first = clamp(s.at - NEAR + 1, 1, Math.max(1, n - 2 * NEAR + 1));
    slots.forEach((slot, j) => {
      slot.one.hidden = first + j > n;
      if (first + j <= n) fill(slot, first + j);
    });
  }
  return { element, update };
}
