// The panel of Race: a prediction, its result, a conflict, all schedules, the keys.
import { button, choice, cross, heads, keyList, make, suppress } from "../shared/elements.js";

/** @typedef {import("./race.js").Race} Race */

const KEYS = [
  ["a, b", "the next step of the first or the second writer"],
  ["←", "take the last step back: the rest is run again on a new store"],
  ["→", "the next step of the chosen schedule"],
  ["Home, End", "before the first step, to the end of the schedule"],
  ["Page Up, Page Down", "the same; in projector mode one step"],
  ["g", "guard on or off, the same schedule again"],
  ["p", "commit the prediction, then go on"],
  ["s", "all 20 schedules"],
  ["↑ ↓", "along the buttons of a group"],
  ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];

/**
 * @param {Race} race
 * @param {string} id
 */
function gate(race, id) {
  const asked = race.gate();
  const choices = asked.choices.map((text) =>
    choice(`${id}-choice`, text, () => race.choose(text)),
  );
  const onkeydown = ({ key }) => key === "Enter" && race.commit();
  return [
    make("fieldset", { onkeydown }, make("legend", {}, `Predict: ${asked.question}`), choices),
    make(
      "div",
      { class: "w-bar" },
      button("commit (p)", () => race.commit(), { class: "rc-commit", "aria-disabled": "true" }),
      button("not yet (Esc)", () => race.leave()),
    ),
  ];
}

/** @param {Race} race */
function result(race) {
  const { question, answer, actual, match, why: was } = race.s.result;
  const why = make("input", {
    type: "text",
    ...suppress,
    class: "rc-why",
    "aria-label": "why?",
    placeholder: "why? (kept with your answer)",
    value: was,
  });
  why.addEventListener("change", () => race.explain(why.value));
  why.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    race.explain(why.value);
    race.goOn();
  });
  return [
    make(
      "table",
      {},
      heads(["", "your answer", "actual", ""]),
      make(
        "tbody",
        {},
        make(
          "tr",
          {},
          make("th", { scope: "row" }, question),
          make("td", {}, answer),
          make("td", {}, actual),
          make("td", { class: "rc-verdict" }, match ? "✓ match" : "≠ different"),
        ),
      ),
    ),
    make(
      "div",
      { class: "w-bar rc-after" },
      why,
      button("continue (p)", () => race.goOn(), { class: "rc-goon" }),
    ),
  ];
}

/** @param {Race} race */
function conflict(race) {
  const step = race.node();
  const who = race.shown(step.who);
  const fact = (name, value, more) => [
    make("dt", {}, name),
    make("dd", {}, make("b", {}, value), more),
  ];
  const ways = race.options().filter(([move]) => move[0] === step.move[0]);
  return make(
    "div",
    { class: "rc-conflict", role: "group", "aria-label": "conflict" },
    make("h3", {}, cross(), `Conflict: ${who}'s append was refused`),
    make(
      "dl",
      {},
      fact("expected version", String(step.expected), ` what ${who} has read`),
      fact("found version", String(step.actual), " what is there now"),
      fact("stored in between", (step.between ?? []).join("; "), ""),
    ),
    make("p", {}, `Nothing of ${who}'s was stored. What now?`),
    make(
      "div",
      { class: "w-bar" },
      ways.map(([move, name]) => button(name, () => race.take(move))),
    ),
  );
}

/**
 * @param {Race} race
 * @param {string} id
 */
function countGuess(race, id) {
  const field = make("input", {
    type: "text",
    inputmode: "numeric",
    ...suppress,
    class: "rc-guess",
    id: `${id}-guess`,
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") race.guess(field.value);
  });
  return [
    make("label", { for: `${id}-guess`, class: "rc-ask" }, `Predict: ${race.countQuestion()} `),
    make(
      "div",
      { class: "w-bar" },
      field,
      button("commit", () => race.guess(field.value), { class: "rc-commit" }),
      button("not yet (Esc)", () => race.leave()),
    ),
  ];
}

/**
 * @param {Race} race
 * @param {[string, string, string]} line
 */
function chip(race, [schedule, on, off]) {
  const { s } = race;
  const end = s.guard ? on : off;
  const made = button("", () => race.replay(schedule), {
    class: "rc-chip",
    "aria-pressed": String(race.path().startsWith(schedule)),
    "data-schedule": schedule,
  });
  made.append(
    make("span", { class: "rc-order" }, schedule),
    end === "conflict"
      ? cross()
      : make("span", { class: "rc-sign", "aria-hidden": "true" }, end === "clean" ? "✓" : "+1"),
    make("span", {}, end),
    make(
      "span",
      { class: "w-live" },
      s.guard ? `, without the guard ${off}` : `, with the guard ${on}`,
    ),
  );
  return made;
}

/**
 * @param {Race} race
 * @param {string} id
 */
function schedules(race, id) {
  if (!race.opened()) return countGuess(race, id);
  const rows = race.payload.schedules;
  const tally = (where, what) =>
    what.map((name) => `${rows.filter((r) => r[where] === name).length} ${name}`).join(", ");
  return [
    make("h3", {}, "All 20 schedules; press one to replay it"),
    make(
      "div",
      { class: "rc-schedules", role: "group", "aria-label": "schedules" },
      rows.map((row) => chip(race, row)),
    ),
    make(
      "p",
      {},
      `With the guard: ${tally(1, ["clean", "conflict", "oversold"])}. Without: ${tally(2, [
        "clean",
        "oversold",
      ])}.`,
    ),
  ];
}

/**
 * What is open, in order.
 * @param {Race} race
 * @param {string} id
 */
function contents(race, id) {
  const { s } = race;
  const out = [];
  if (s.gate) out.push(...gate(race, id));
  if (s.result) out.push(...result(race));
  if (!s.gate && race.node().step === "conflict") out.push(conflict(race));
  if (s.panel === "schedules" && !s.gate) out.push(...schedules(race, id));
  if (s.panel === "keys" && !s.gate) out.push(make("h3", {}, "Keys"), keyList(KEYS));
  return out;
}

/**
 * Where a box has opened or the focused button went, the focus follows.
 * @param {Race} race
 * @param {HTMLElement} panel
 * @param {{had: boolean, inside: boolean, chip: string | undefined, mover: () => HTMLElement}} was
 */
function moveFocus(race, panel, { had, inside, chip: schedule, mover }) {
  const { s } = race;
  const find = (what) => /** @type {HTMLElement | null} */ (panel.querySelector(what));
  const same = schedule && find(`.rc-chip[data-schedule="${schedule}"]`);
  if (s.gate && inside) find("input")?.focus();
  else if (had && s.result) find(".rc-goon").focus();
  else if (same) same.focus();
  else if (had) mover().focus();
  else if (inside && s.panel === "schedules" && !race.opened()) find("input").focus();
}

/**
 * @param {Race} race
 * @param {string} id
 * @param {{scroller: HTMLElement, mover: () => HTMLElement}} beside
 */
export function panelOf(race, id, { scroller, mover }) {
  const { s } = race;
  const element = make("div", { class: "w-panel" });
  let built = "";
  /** @param {HTMLElement} root */
  function update(root) {
    const wanted = JSON.stringify([
      s.gate?.move,
      race.path(),
      race.mode(),
      s.result?.schedule,
      s.panel,
      s.panel === "schedules" && race.opened(),
    ]);
    if (wanted !== built) {
      built = wanted;
      const active = document.activeElement;
      const had = element.contains(active);
      const inside = had || root.contains(active);
      const pressed = /** @type {HTMLElement | null} */ (active?.closest(".rc-chip"));
      element.replaceChildren(...contents(race, id));
      element.hidden = !element.childNodes.length;
      element.classList.toggle("rc-listing", s.panel !== null);
      scroller.scrollTop = scroller.scrollHeight;
      moveFocus(race, element, { had, inside, chip: pressed?.dataset.schedule, mover });
    } else
      element
        .querySelector(".rc-commit[aria-disabled]")
        ?.setAttribute("aria-disabled", String(!s.gate?.given));
  }
  return { element, update };
}
