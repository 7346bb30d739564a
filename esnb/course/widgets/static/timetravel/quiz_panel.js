// The panel of a prediction: the questions, and then the answers beside the facts.
import { button, choice, heads, make, suppress } from "../shared/elements.js";

/**
 * @typedef {import("./types.js").Clock} Clock
 * @typedef {import("./types.js").Quiz} Quiz
 */

/**
 * @param {Clock} clock
 * @param {string} id
 */
function answers(clock, id) {
  const { quiz } = clock.s;
  const area = make("textarea", { rows: 2, ...suppress, id: `${id}-why` });
  area.addEventListener("input", () => {
    quiz.why = area.value;
  });
  const good = quiz.rows.every((row) => row.match);
  const rows = quiz.rows.map((row) =>
    make(
      "tr",
      { class: row.match ? "tt-match" : "tt-differs" },
      [row.question, row.answer, row.actual, row.match ? "✓ match" : "≠ different"].map((t) =>
        make("td", {}, t),
      ),
    ),
  );
  return [
    make("h3", {}, `Event ${quiz.number}: your answer and the fact`),
    make("table", {}, heads(["question", "your answer", "actual", ""]), make("tbody", {}, rows)),
    make("label", { for: `${id}-why` }, good ? "Why is it so? " : "Why is it different? "),
    area,
    make(
      "div",
      { class: "w-bar" },
      button("continue (p)", () => clock.reveal()),
    ),
  ];
}

/**
 * @param {Clock} clock
 * @param {string} id
 */
export function quizPanel(clock, id) {
  const { quiz } = clock.s;
  if (quiz.committed) return answers(clock, id);
  const fields = quiz.questions.map((q, k) =>
    make(
      "fieldset",
      {},
      make("legend", {}, q.text),
      [...q.options, "I do not know"].map((option) =>
        choice(`${id}-q${k}`, option, () => clock.choose(k, option), quiz.given[k] === option),
      ),
    ),
  );
  return [
    make(
      "h3",
      {},
      quiz.past
        ? "Which event did this?"
        : `Predict event ${quiz.number}: ${clock.typeName(quiz.number)}`,
    ),
    make(
      "p",
      { class: "w-soft tt-hint" },
      quiz.past
        ? "Look around if you like, then commit to an answer."
        : "Commit to an answer, then see the fact. A wrong guess helps too.",
    ),
    make("div", { class: "tt-questions" }, fields),
    make(
      "div",
      { class: "w-bar" },
      button("commit (p)", () => clock.commit(), { class: "tt-commit" }),
      button("leave (Esc)", () => clock.leave()),
    ),
  ];
}
