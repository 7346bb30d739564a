// The race of one model: what is chosen, predicted and shown. Every step was really taken by the store,
// in Python, and came with the page; here is only what the reader chose.
import { contentOf, saveTo, speaker } from "../shared/kernel.js";
import { gateOf, schedulesOf } from "./gate.js";
import { movesOf } from "./moves.js";

/**
 * A place in the race: the step that led to it, and the moves from it, each with its name.
 * @typedef {{step?: string, who?: string, move?: string, expected?: number, actual?: number,
 *   number?: number, knows?: number, left?: number, sold: number, duplicate?: boolean,
 *   between?: string[], say: string, code: string, next: [string, string][],
 *   trouble: [string, string][]}} Place
 *
 * What Python sends: each place by its schedule, with the guard on and off.
 * @typedef {{guards: Record<string, Record<string, Place>>, names: string[], title: string, stream: string,
 *   lamps: string, pieces: number, choices: string[], already: string,
 *   schedules: [string, string, string][], types: import("../shared/elements.js").EventType[]}} Payload
 *
 * @typedef {{schedule: string, guard: string, writer: string, question: string, answer: string,
 *   actual: string, match: boolean, why: string}} Answer
 * @typedef {{plan: string[], at: number, guard: boolean, predict: boolean, projector: boolean,
 *   answers: Answer[], gate: {move: string, given: string | null} | null, result: Answer | null,
 *   panel: string | null, problem: string}} Shown
 * @typedef {ReturnType<typeof makeRace>} Race
 */

const TRIES = ["append", "write", "conflict", "raise", "again"];
const CHECK = { on: "expected version", off: "no check" };

/** @param {import("../shared/kernel.js").Model} model */
function coreOf(model) {
  /** @type {Payload} */
  const payload = contentOf(model);
  /** @type {Shown} */
  const s = {
    plan: movesOf(model.get("schedule") ?? ""),
    at: 0,
    guard: model.get("guard") ?? true,
    predict: model.get("predict") ?? true,
    projector: Boolean(model.get("projector")),
    answers: [...(model.get("_answers") ?? [])],
    gate: null,
    result: null,
    panel: null,
    problem: "",
  };
  const seen = new Set(s.answers.map((row) => `${row.guard}:${row.schedule}`));
  const mode = () => (s.guard ? "on" : "off");
  const path = (n = s.at) => s.plan.slice(0, n).join("");
  const node = (where = path(), key = mode()) => payload.guards[key][where];
  const mark = (schedule) => `${CHECK[mode()]}:${schedule}`;
  return {
    payload,
    s,
    seen,
    ...speaker(),
    mode,
    path,
    node,
    mark,
    options: () => node().next,
    trouble: () => node().trouble,
    shown: (name) => name[0].toUpperCase() + name.slice(1),
    /** Whether a move is a try to write that the reader has not said anything about yet. */
    asks: (where) => s.predict && TRIES.includes(node(where).step) && !seen.has(mark(where)),
    /** What was shown needs no prediction any more: a schedule from Python, or from the table. */
    show() {
      for (let n = 1; n <= s.plan.length; n += 1) seen.add(mark(path(n)));
      s.at = s.plan.length;
    },
    /** Shorten the plan to what is there with the present guard. */
    fit() {
      while (!node(path(s.plan.length))) s.plan = s.plan.slice(0, -1);
    },
  };
}

/** @typedef {ReturnType<typeof coreOf>} Core */

/**
 * Steps along a schedule; a try to write opens the gate instead.
 * @param {Core} core
 * @param {() => void} save
 */
function stepsOf({ s, path, node, options, trouble, asks, emit }, save) {
  /** @param {number} at */
  function arrive(at) {
    s.at = at;
    s.gate = null;
    save();
    emit();
  }
  /** @param {string} move */
  function take(move) {
    s.problem = "";
    if (s.gate) s.problem = "Predict first, then it is shown.";
    else if (![...options(), ...trouble()].some(([name]) => name === move))
      s.problem = options().length ? "This writer has nothing left to do." : "Both are done.";
    if (s.problem) return emit();
    s.result = null;
    if (asks(path() + move)) {
      s.gate = { move, given: null };
      s.panel = null;
      return emit();
    }
    if (s.plan[s.at] !== move) s.plan = [...s.plan.slice(0, s.at), move];
    return arrive(s.at + 1);
  }
  function next() {
    const moves = options();
    if (s.at < s.plan.length) return take(s.plan[s.at]);
    if (moves.length === 1) return take(moves[0][0]);
    s.problem = !moves.length
      ? "Both are done. Take a step back, or start again."
      : node().step === "conflict"
        ? "Choose: read again, raise the number only, or give up."
        : "Choose who moves: a or b.";
    return emit();
  }
  function back() {
    s.problem = "";
    s.result = null;
    if (!s.gate) return s.at ? arrive(s.at - 1) : emit();
    s.gate = null;
    return emit();
  }
  function end() {
    while (s.at < s.plan.length && !s.gate) take(s.plan[s.at]);
    emit();
  }
  function start() {
    s.result = null;
    s.problem = "";
    arrive(0);
  }
  return { arrive, take, next, back, end, start };
}

/**
 * The same schedule with the other guard, up to the first try that was not predicted yet.
 * @param {Core} core
 * @param {(at: number) => void} arrive
 */
function guardOf({ s, fit, asks, path }, arrive) {
  return function guard() {
    s.guard = !s.guard;
    s.result = null;
    s.problem = "";
    fit();
    let to = 0;
    const until = Math.min(s.at, s.plan.length);
    while (to < until && !asks(path(to + 1))) to += 1;
    if (to < until)
      s.problem = "The same order again, up to the next append. The right arrow goes on.";
    arrive(to);
  };
}

/**
 * Follow what Python sets.
 * @param {import("../shared/kernel.js").Model} model
 * @param {Core} core
 * @param {{schedule: string}} sent what Python knows already
 */
function follow(model, { s, path, show, fit, emit }, sent) {
  model.on("change:schedule", () => {
    const schedule = model.get("schedule");
    if (schedule === sent.schedule || schedule === path()) return;
    sent.schedule = schedule;
    s.plan = movesOf(schedule);
    s.guard = model.get("guard");
    show();
    s.gate = null;
    s.result = null;
    emit();
  });
  model.on("change:guard", () => {
    if (model.get("guard") === s.guard) return;
    s.guard = model.get("guard");
    s.plan = movesOf(model.get("schedule"));
    fit();
    show();
    s.gate = null;
    emit();
  });
  for (const name of ["predict", "projector"])
    model.on(`change:${name}`, () => {
      s[name] = model.get(name);
      emit();
    });
}

/**
 * Leave what is open, the newest first; false when nothing was.
 * @param {Core} core
 */
function leaveOpen({ s, emit }) {
  s.problem = "";
  const open = s.gate ? "gate" : s.result ? "result" : s.panel ? "panel" : null;
  if (!open) return false;
  s[open] = null;
  emit();
  return true;
}

/** @param {import("../shared/kernel.js").Model} model */
export function makeRace(model) {
  const core = coreOf(model);
  const { s, path, emit } = core;
  const sent = { schedule: s.plan.join("") };
  const save = () => {
    sent.schedule = path();
    model.set("schedule", sent.schedule);
    model.set("guard", s.guard);
    model.save_changes();
  };
  core.show();
  const steps = stepsOf(core, save);
  const gate = gateOf(core, model, steps.take);
  const schedules = schedulesOf(core, { ...gate, ...steps });
  const toggle = (panel) => {
    Object.assign(s, { panel: s.panel === panel ? null : panel, gate: null, problem: "" });
    emit();
  };
  const { back, next, start, end } = steps;
  const guard = guardOf(core, steps.arrive);
  /** @type {Record<string, () => void>} */
  const actions = {
    back,
    next,
    start,
    end,
    guard,
    A: () => steps.take("A"),
    B: () => steps.take("B"),
    predict: () => (s.gate ? gate.commit() : s.result ? gate.goOn() : next()),
    schedules: () => toggle("schedules"),
    keys: () => toggle("keys"),
  };
  follow(model, core, sent);
  return {
    ...core,
    ...steps,
    ...gate,
    ...schedules,
    toggle,
    /** @param {string} name */
    act: (name) => actions[name]?.(),
    leave: () => leaveOpen(core),
    /** @param {boolean} on */
    setProjector(on) {
      s.projector = on;
      saveTo(model, "projector", on);
      emit();
    },
  };
}
