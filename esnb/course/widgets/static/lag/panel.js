// The panel of Lag: what Bob sees, predicted and then shown; the keys.
import { button, choice, keyList, make, suppress } from "../shared/elements.js";
import { seconds } from "./chart.js";
import { POLICIES } from "./controls.js";
import { NO_ORDER } from "./day.js";

/**
 * @typedef {import("./clock.js").Clock} Clock
 * @typedef {import("./clock.js").Quiz} Quiz
 */

const KEYS = [
  ["← →", "one second"],
  ["Page Up, Page Down", "10 seconds; in projector mode the stops"],
  ["Home, End", "begin and end of the day"],
  ["Space", "play or stop playing"],
  ["Shift + ← →", "previous or next stop: rush, payment, what was done"],
  ["p", "predict what Bob sees, commit, go on"],
  ["↑ ↓", "along the buttons of a group"],
  ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];
const OPTIONS = [NO_ORDER, "PENDING", "PAID", "PAID, after a wait", "a timeout"];

/**
 * @param {Clock} clock
 * @param {Quiz} q
 */
function explain({ day, run }, q) {
  const t = run().ticks[q.second];
  if (q.policy === "stream")
    return "The stream is the truth: his own events are in it once they are stored.";
  if (q.actual === "a timeout")
    return `The checkpoint does not reach ${day.token} within ${day.timeout} s. The wait fails loudly, and the page can read the stream.`;
  if (q.waited)
    return `His page held the position of his payment, ${day.token}, and waited ${q.waited} s for the checkpoint.`;
  if (t.checkpoint >= day.token)
    return `The checkpoint is at ${t.checkpoint}: his payment, ${day.token}, is in the read model.`;
  return `The payment is position ${day.token} of the log. The read model is at ${t.checkpoint}, ${seconds(t)} behind. Nothing is lost; the page is early.`;
}

/**
 * @param {Clock} clock
 * @param {string} id
 */
function question(clock, id) {
  const { day, s } = clock;
  const legend = `Bob has paid (position ${day.token}), and refreshes his page, which reads “${POLICIES[s.policy]}”. What does he see?`;
  const list = OPTIONS.map((option) =>
    choice(`${id}-answer`, option, () => clock.choose(option), s.quiz.answer === option),
  );
  return [
    make("fieldset", {}, make("legend", {}, legend), make("div", { class: "lg-answers" }, list)),
    make(
      "div",
      { class: "w-bar" },
      button("commit (p)", () => clock.commit(), { class: "lg-commit" }),
    ),
  ];
}

/** @param {Clock} clock */
function answer(clock) {
  const q = clock.s.quiz;
  const why = make("textarea", { rows: 1, ...suppress, "aria-label": "why?", placeholder: "Why?" });
  why.value = q.why;
  why.addEventListener("input", () => {
    q.why = why.value;
  });
  return [
    make(
      "p",
      {},
      "your answer: ",
      make("strong", {}, q.answer),
      " · he sees: ",
      make("strong", {}, q.actual),
      q.answer === q.actual ? " · ✓ match" : " · ≠ different",
    ),
    make("p", { class: "w-soft" }, explain(clock, q)),
    make(
      "div",
      { class: "w-bar lg-whybar" },
      why,
      button("go on (p)", () => clock.goOn(), { class: "lg-goon" }),
    ),
  ];
}

/**
 * @param {Clock} clock
 * @param {string} id
 * @param {HTMLElement} rest where the focus goes when the panel closes
 */
export function panelOf(clock, id, rest) {
  const { s } = clock;
  const element = make("section", { class: "w-panel", "aria-label": "question and help" });
  let shown = "";
  function build() {
    if (s.keys) return [keyList(KEYS)];
    if (!s.quiz) return [];
    return s.quiz.committed ? answer(clock) : question(clock, id);
  }
  function update() {
    const key = s.keys ? "keys" : s.quiz ? `${s.quiz.committed}${s.policy}${s.at}` : "";
    element.hidden = !key;
    if (key !== shown) {
      shown = key;
      const had = element.contains(document.activeElement);
      element.replaceChildren(...build());
      if (had && s.quiz?.committed)
        /** @type {HTMLElement} */ (element.querySelector(".lg-goon")).focus();
      else if (had && !key) rest.focus();
    }
    const commit = /** @type {HTMLButtonElement | null} */ (element.querySelector(".lg-commit"));
    if (commit) commit.disabled = !s.quiz?.answer;
  }
  return { element, update };
}
