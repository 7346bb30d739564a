// The panel of an exercise: put mixed events in an order that the rules allow.
import { bareSymbol, button, make } from "../shared/elements.js";
import { pretty } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

/**
 * @param {Clock} clock
 * @param {number} k
 * @param {number} place
 */
function item(clock, k, place) {
  const { payload, n, s } = clock;
  const { verdict } = s.order;
  const type = payload.types[payload.type[k - 1]];
  const mover = (sign, by, word, disabled) =>
    button(sign, () => clock.shift(place, by), {
      "aria-label": `move ${type.name} ${word}, now ${place + 1}`,
      disabled,
    });
  const bad = verdict && verdict !== "legal" && verdict.index === place;
  return make(
    "li",
    { class: `tt-item${bad ? " tt-refused" : ""}` },
    mover("↑", -1, "up", place === 0),
    mover("↓", 1, "down", place === n - 1),
    bareSymbol(type, "1.5em"),
    make("span", { class: "tt-item-text" }, `${type.name} ${pretty(payload.data[k - 1], 1e9)}`),
    bad ? make("div", { class: "tt-reason" }, make("strong", {}, "✕ "), verdict.reason) : null,
  );
}

/** @param {Clock} clock */
export function orderPanel(clock) {
  const { numbers, verdict } = clock.s.order;
  const same = numbers.every((k, place) => k === place + 1);
  const told =
    verdict === null
      ? ""
      : verdict !== "legal"
        ? `Number ${verdict.index + 1} cannot follow here.`
        : same
          ? "✓ This is how it happened."
          : "✓ The rules allow it. It is not how it happened: more than one order may be legal.";
  return [
    make("h3", {}, "Put the events in an order that the rules allow"),
    make(
      "ol",
      { class: "tt-order" },
      numbers.map((k, place) => item(clock, k, place)),
    ),
    make(
      "div",
      { class: "w-bar" },
      button("check", () => clock.check()),
      button("leave (Esc)", () => clock.leave()),
      make("span", { role: "status" }, told),
    ),
  ];
}
