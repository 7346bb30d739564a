// The panel of a thought experiment: the same stream without some events.
import { bareSymbol, button, draw, heads, make, suppress } from "../shared/elements.js";
import { plural } from "../shared/words.js";
import { KINDS, OPS } from "./state_table.js";

/** @typedef {import("./types.js").Clock} Clock */

const POLICIES = {
  stop: "stop at the first refusal",
  skip: "leave refused events out",
  force: "apply them all the same",
};
const STRIPS_UP_TO = 60;

/** @param {Clock} clock */
function controls(clock) {
  const { s } = clock;
  const muted = s.muted.map((k) =>
    button(`${k} ${clock.typeName(k)} ×`, () => clock.mute(k), {
      "aria-label": `unmute ${k} ${clock.typeName(k)}`,
    }),
  );
  const select = make(
    "select",
    { ...suppress, "aria-label": "when an event is refused" },
    Object.entries(POLICIES).map(([value, text]) =>
      make("option", { value, selected: value === s.policy }, text),
    ),
  );
  select.addEventListener("change", () => clock.setPolicy(select.value));
  const few = s.muted.length === 1 ? `event ${s.muted[0]}` : `events ${s.muted.join(", ")}`;
  return [
    make("h3", {}, `What if ${few} had not happened?`),
    make(
      "p",
      { class: "w-soft" },
      "A thought experiment: nothing is stored. A fact is never deleted; " +
        "in production you append an event that compensates.",
    ),
    make(
      "div",
      { class: "w-bar" },
      make("span", {}, "muted: "),
      muted,
      select,
      button("leave (Esc)", () => clock.leave()),
    ),
  ];
}

/**
 * The events as small marks; what is muted, refused or not reached looks so.
 * @param {Clock} clock
 * @param {string} label
 * @param {{muted: Set<number>, refused: Set<number>, until: number}} of
 */
function strip(clock, label, { muted, refused, until }) {
  const { payload, n } = clock;
  const marks = Array.from({ length: n }, (_, i) => {
    const k = i + 1;
    const off = muted.has(k);
    const no = refused.has(k);
    const state = off ? "muted" : no ? "refused" : k > until ? "not reached" : "";
    return make(
      "span",
      {
        class: `tt-small-mark ${off ? "tt-muted" : ""} ${k > until && !no ? "tt-later" : ""}`,
        title: `${k}: ${clock.typeName(k)} ${state}`,
      },
      bareSymbol(payload.types[payload.type[i]], "1.4em"),
      no
        ? draw(
            "svg",
            { viewBox: "0 0 24 24", class: "w-cross" },
            draw("path", { d: "M4 4l16 16M20 4L4 20" }),
          )
        : null,
    );
  });
  return make("div", { class: "tt-strip" }, make("span", { class: "tt-strip-name" }, label), marks);
}

/** @param {Clock} clock */
function strips(clock, found) {
  const { n } = clock;
  if (n > STRIPS_UP_TO) return null;
  const refused = found.refused.map(([k]) => k);
  const stopped = found.policy === "stop" && refused.length > 0;
  return make(
    "div",
    { class: "tt-strips" },
    strip(clock, "fact", { muted: new Set(), refused: new Set(), until: n }),
    strip(clock, "what if", {
      muted: new Set(found.muted),
      refused: new Set(stopped ? refused.slice(0, 1) : refused),
      until: stopped ? found.number : n,
    }),
  );
}

/** @param {Clock} clock */
function refusals(clock, found) {
  const count = found.refused.length;
  if (!clock.face().given) return make("p", {}, "No rules: what-if cannot refuse.");
  if (!count) return make("p", {}, "No later event is refused.");
  const most = clock.s.projector ? 2 : 8;
  const head =
    found.policy === "force"
      ? `${plural(count, "later event")} would have been refused:`
      : `${plural(count, "later event")} ${count === 1 ? "becomes" : "become"} impossible:`;
  return make(
    "div",
    { class: "tt-refused" },
    make("p", {}, make("strong", {}, head)),
    make(
      "ul",
      {},
      found.refused
        .slice(0, most)
        .map(([k, why]) =>
          make("li", {}, make("strong", {}, `✕ ${k} ${clock.typeName(k)}: `), why),
        ),
      count > most ? make("li", {}, `and ${count - most} more`) : null,
    ),
  );
}

/** @param {Clock} clock */
function differences(clock, found) {
  if (!found.rows.length) return make("p", {}, "Both states are the same.");
  const rows = found.rows.slice(0, clock.s.projector ? 2 : 40).map(([path, fact, other]) => {
    const op = fact === null ? "+" : other === null ? "-" : "~";
    return make(
      "tr",
      { class: KINDS[op] },
      make("th", { scope: "row" }, path),
      make("td", {}, fact ?? ""),
      make("td", {}, other ?? ""),
      make("td", {}, `${op} ${OPS[op]}`),
    );
  });
  return make(
    "table",
    {},
    heads(["field", `fact at ${found.fact_at}`, `what if, after ${found.number}`, "change"]),
    make("tbody", {}, rows),
  );
}

/** @param {Clock} clock */
export function whatIfPanel(clock) {
  const found = clock.s.experiment;
  const top = controls(clock);
  if (!found) return [...top, make("p", {}, "Folding again…")];
  if (found.problem) return [...top, make("p", { class: "tt-problem" }, found.problem)];
  return [...top, strips(clock, found), refusals(clock, found), differences(clock, found)].filter(
    Boolean,
  );
}
