// The gate of Race: predict before a try to write is shown, and before all schedules are.
import { movesOf } from "./moves.js";

/**
 * @typedef {import("./race.js").Core} Core
 * @typedef {import("./race.js").Answer} Answer
 */

const CHECK = { on: "expected version", off: "no check" };
const ALL = "all 20";

/**
 * What a try to write does, as one of the choices.
 * @param {Core} core
 * @param {string} where
 */
function outcomeOf({ payload, node }, where) {
  const to = node(where);
  const [stored, oversold, refused] = payload.choices;
  if (to.step === "conflict") return refused;
  return to.duplicate ? payload.already : to.sold > payload.pieces ? oversold : stored;
}

/**
 * The question that stands before a try to write.
 * @param {Core} core
 */
function gateShown({ payload, s, path, node, shown }) {
  if (!s.gate) return null;
  const moved = node(path() + s.gate.move);
  const again = moved.step === "again";
  const how = again
    ? "second try with the same event"
    : moved.step === "raise"
      ? "append with the number raised"
      : s.guard
        ? `append at expected version ${moved.expected}`
        : "append without a check";
  return {
    question: `What will ${shown(moved.who)}'s ${how} do?`,
    choices: again ? [...payload.choices, payload.already] : payload.choices,
    given: s.gate.given,
    who: moved.who,
    code: moved.code,
  };
}

/**
 * Predict, then reveal.
 * @param {Core} core
 * @param {import("../shared/kernel.js").Model} model
 * @param {(move: string) => void} take
 */
export function gateOf(core, model, take) {
  const { s, seen, path, mode, emit } = core;
  const gate = () => gateShown(core);
  const saveAnswers = () => {
    model.set("_answers", [...s.answers]);
    model.save_changes();
  };
  /** @param {string} answer */
  function choose(answer) {
    if (!s.gate) return;
    s.gate.given = answer;
    emit();
  }
  /** @param {Answer} row */
  function record(row) {
    s.answers = [...s.answers, row];
    seen.add(`${row.guard}:${row.schedule}`);
    saveAnswers();
    return row;
  }
  function commit() {
    if (!s.gate?.given) return;
    const { move, given } = s.gate;
    const where = path() + move;
    const { question, who } = gate();
    const actual = outcomeOf(core, where);
    const row = record({
      schedule: where,
      guard: CHECK[mode()],
      writer: who,
      question,
      answer: given,
      actual,
      match: given === actual,
      why: "",
    });
    s.gate = null;
    take(move);
    s.result = row;
    emit();
  }
  /** @param {string} why */
  function explain(why) {
    if (!s.result) return;
    const row = { ...s.result, why };
    s.answers = s.answers.map((old) => (old === s.result ? row : old));
    s.result = row;
    saveAnswers();
  }
  function goOn() {
    s.result = null;
    emit();
  }
  return { gate, choose, record, commit, explain, goOn };
}

/**
 * All schedules: how many end badly is guessed before the table is shown.
 * @param {Core} core
 * @param {{record: (row: Answer) => Answer, arrive: (at: number) => void}} does
 */
export function schedulesOf({ payload, s, seen, mode, mark, show, emit }, { record, arrive }) {
  const opened = () =>
    !s.predict || seen.has(mark(ALL)) || seen.has(`${CHECK[s.guard ? "off" : "on"]}:${ALL}`);
  const countQuestion = () =>
    s.guard
      ? "How many of the 20 schedules meet a conflict?"
      : "In how many of the 20 schedules is too much sold?";
  /** @param {string} text */
  function guess(text) {
    const given = text.trim();
    if (!/^\d+$/.test(given) || Number(given) > payload.schedules.length) {
      s.problem = `A number from 0 to ${payload.schedules.length}.`;
      return emit();
    }
    s.problem = "";
    const wanted = s.guard ? "conflict" : "oversold";
    const actual = payload.schedules.filter((row) => row[s.guard ? 1 : 2] === wanted).length;
    s.result = record({
      schedule: ALL,
      guard: CHECK[mode()],
      writer: "",
      question: countQuestion(),
      answer: given,
      actual: String(actual),
      match: Number(given) === actual,
      why: "",
    });
    return emit();
  }
  /**
   * Show a schedule of the table, to its end: the table has told how it ends.
   * @param {string} schedule
   */
  function replay(schedule) {
    if (!opened()) return;
    s.plan = movesOf(schedule);
    s.result = null;
    s.problem = "";
    show();
    arrive(s.at);
  }
  return { opened, countQuestion, guess, replay };
}
