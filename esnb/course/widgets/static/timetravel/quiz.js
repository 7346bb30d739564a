// Predict, then reveal; and the other way round: which event made a change.
import { questions, whichEvent } from "../shared/questions.js";

/**
 * @param {number} number
 * @param {import("../shared/questions.js").Question[]} asked
 * @returns {import("./types.js").Quiz}
 */
const quizAbout = (number, asked) => ({
  number,
  questions: asked,
  given: [],
  committed: false,
  why: "",
});

/**
 * The answers as rows of a table, for Python.
 * @param {import("./types.js").Quiz} quiz
 * @param {string} type
 */
const rowsOf = ({ number, questions: asked, given }, type) =>
  asked.map((q, k) => ({
    kind: q.kind,
    number,
    event_type: type,
    question: q.text,
    answer: given[k],
    actual: q.truth,
    match: given[k] === q.truth,
    why: "",
  }));

/**
 * @param {import("./types.js").Core} core
 * @param {{move: (i: number) => void, wanted: (i: number) => void}} does
 */
export function quizOf({ payload, film, n, s, save, emit, typeName }, does) {
  function openQuiz() {
    if (s.at >= n) return;
    if (!film.has(s.at + 1)) {
      s.problem = "The next event is on its way. Press p again.";
      does.wanted(s.at + 1);
      emit();
      return;
    }
    s.playing = false;
    s.panel = null;
    s.quiz = quizAbout(s.at + 1, questions(film, payload, s.at + 1));
    emit();
  }
  /** A change is shown, and which event made it is asked. Looking is allowed. */
  function openPast() {
    const asked = whichEvent(film, payload, s.turn);
    if (!asked) return;
    s.turn += 1;
    s.panel = null;
    s.quiz = { ...quizAbout(asked.number, [asked]), past: true };
    emit();
  }
  /**
   * @param {number} k
   * @param {string} answer
   */
  function choose(k, answer) {
    if (!s.quiz || s.quiz.committed) return;
    s.quiz.given[k] = answer;
    emit();
  }
  const ready = () => Boolean(s.quiz) && s.quiz.questions.every((_, k) => s.quiz.given[k]);
  function commit() {
    if (!ready() || s.quiz.committed) return;
    s.quiz.committed = true;
    s.quiz.rows = rowsOf(s.quiz, typeName(s.quiz.number));
    s.answers = [...s.answers, ...s.quiz.rows];
    save("_answers", s.answers);
    emit();
  }
  /** Go on to the event; the sentence about the why is kept with the answers. */
  function reveal() {
    if (!s.quiz?.committed) return;
    const { number, rows, why } = s.quiz;
    if (why) {
      s.answers = s.answers.map((row) => (rows.includes(row) ? { ...row, why } : row));
      save("_answers", s.answers);
    }
    s.quiz = null;
    does.move(number);
  }
  return { openQuiz, openPast, choose, ready, commit, reveal };
}
