// What is said of the position: a sentence, refusals, a problem, and how we got here.
import { make, press, toggleButton, write } from "../shared/elements.js";
import { origin } from "../shared/places.js";
import { plural, sentence } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

const MOST_REFUSED = 5;

/** @param {Clock} clock */
function toldOf({ film, s, typeName }) {
  if (s.guide === "off") return "";
  if (s.at === 0) return "Nothing has happened yet.";
  return film.has(s.at)
    ? `${typeName(s.at)}: ${sentence(film.step(s.at))}.`
    : `${typeName(s.at)} …`;
}

/** @param {Clock} clock */
export function sayOf(clock) {
  const { s, stops } = clock;
  const say = make("p", { class: "tt-say" });
  const refused = make("ul", { class: "tt-refused-here" });
  const problem = make("p", { class: "tt-problem", role: "alert" });
  function update() {
    const stop = stops.get(s.at);
    const told = toldOf(clock);
    say.replaceChildren(...(stop ? [make("strong", {}, `⚑ ${stop} `)] : []), told);
    say.hidden = !stop && !told;
    const no = clock.refusedAt(s.at);
    const most = s.projector ? 1 : MOST_REFUSED;
    refused.hidden = !no.length;
    refused.replaceChildren(
      ...no
        .slice(0, most)
        .map(([, command, reason]) =>
          make(
            "li",
            {},
            make("strong", {}, `${command} was refused here (no event was stored): `),
            reason,
          ),
        ),
      ...(no.length > most ? [make("li", {}, `and ${no.length - most} more refused here`)] : []),
    );
    write(problem, s.problem);
  }
  return { elements: [say, refused, problem], update };
}

/** @param {Clock} clock */
function howText({ s, face }) {
  if (s.at === 0) return "the empty state, nothing applied";
  const { snapshot, applied } = origin(face().snapshots, s.at, s.snapshots);
  const first = s.at - applied + 1;
  const few = Array.from({ length: Math.min(applied, 4) }, (_, k) => first + k).join(", ");
  const numbers = applied === 0 ? "" : applied <= 4 ? ` (${few})` : ` (${first} to ${s.at})`;
  const start = snapshot === null ? "start empty" : `start from snapshot #${snapshot}`;
  const unused = face()
    .unused.filter(([at]) => at <= s.at)
    .at(-1);
  const aside =
    unused && s.snapshots && snapshot === null
      ? `. The snapshot at ${unused[0]} is not used: ${unused[1]}`
      : "";
  const without = snapshot !== null ? `. Without snapshots: ${plural(s.at, "event")}` : "";
  return `${start} ▸ apply ${plural(applied, "event")}${numbers} ▸ state #${s.at}${without}${aside}`;
}

/** @param {Clock} clock */
export function howOf(clock) {
  const { s } = clock;
  const text = make("span", { class: "tt-how-text" });
  const snapshots = toggleButton("use snapshots", () => clock.change({ snapshots: !s.snapshots }));
  const element = make(
    "div",
    { class: "tt-how" },
    make("h3", {}, "How we got here"),
    text,
    snapshots,
  );
  function update() {
    write(text, howText(clock));
    press(snapshots, s.snapshots);
    snapshots.hidden = clock.face().snapshots.length === 0;
  }
  return { element, update };
}
