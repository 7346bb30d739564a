// The panel of a search: the first event after which something holds, by bisection, probe by probe.
import { button, make, suppress } from "../shared/elements.js";
import { plural } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

const FIELDS = 500;

/** @param {Clock} clock */
function question(clock) {
  const { film, s } = clock;
  const option = (value, chosen) => make("option", { value, selected: value === chosen }, value);
  const path = make(
    "select",
    { ...suppress, "aria-label": "field" },
    film.paths.slice(0, FIELDS).map((name) => option(name, s.probes?.path ?? s.field)),
  );
  const test = make(
    "select",
    { ...suppress, "aria-label": "comparison" },
    ["<", "<=", "=", "!=", ">=", ">"].map((sign) => option(sign, s.probes?.test ?? "=")),
  );
  const value = make("input", {
    type: "text",
    ...suppress,
    "aria-label": "value",
    class: "tt-value",
  });
  value.value = s.probes?.value ?? "";
  const go = () => clock.search(path.value, test.value, value.value);
  value.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go();
  });
  return [
    make("h3", {}, "The first event after which…"),
    make(
      "div",
      { class: "w-bar" },
      path,
      test,
      value,
      button("search", go),
      button("leave (Esc)", () => clock.leave()),
    ),
  ];
}

/** @param {Clock} clock */
function answer(clock, found) {
  const told =
    found.found === null
      ? "After the last event it does not hold, so bisection finds nothing."
      : found.found === 0
        ? "It holds before anything happened."
        : `Event ${found.found}, ${clock.typeName(found.found)}.`;
  const scan = found.scan === null ? "nothing" : found.scan;
  const trust =
    found.turns > 1
      ? ` The answer changes ${found.turns} times, so bisection cannot be trusted: ` +
        `asking every state finds ${scan}.`
      : "";
  return [
    make("p", {}, make("strong", {}, told), trust),
    found.found
      ? make(
          "div",
          { class: "w-bar" },
          button(`go to ${found.found}`, () => clock.move(found.found)),
        )
      : null,
  ];
}

/** @param {Clock} clock */
export function findPanel(clock) {
  const { film, n, s } = clock;
  const found = s.probes;
  if (!found) return question(clock);
  const { probes, shown } = found;
  const rows = probes
    .slice(0, shown)
    .map(([i, yes], k) =>
      make(
        "li",
        {},
        `probe ${k + 1}: after event ${i} it is ${film.value(found.path, i) ?? "absent"}: ${yes ? "yes" : "no"}`,
      ),
    );
  const next =
    shown < probes.length
      ? [
          make(
            "div",
            { class: "w-bar" },
            button(`probe ${shown + 1}`, () => clock.probe()),
          ),
        ]
      : answer(clock, found);
  return [
    ...question(clock),
    make(
      "p",
      { class: "w-soft" },
      `Bisection asks ${plural(probes.length, "state")} of ${
        n + 1
      }. It is right only if the answer, once yes, stays yes.`,
    ),
    make("ol", {}, rows),
    ...next,
  ].filter(Boolean);
}
