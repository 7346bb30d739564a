// The clock of Lag: what is shown, for all views of one model, and what can be done.
import { contentOf, saveTo, speaker } from "../shared/kernel.js";
import { next } from "../shared/places.js";
import { clamp, plural } from "../shared/words.js";
import { bobSees, doNow, simulateDay } from "./day.js";

/**
 * @typedef {import("./day.js").Day} Day
 * @typedef {import("./day.js").Tick} Tick
 * @typedef {{second: number, policy: string, answer: string | null, committed: boolean, why: string,
 *   actual?: string, waited?: number, row?: any}} Quiz
 * @typedef {{at: number, script: import("./day.js").Script, handler: string, policy: string,
 *   guide: string, projector: boolean, answers: any[], playing: boolean, quiz: Quiz | null,
 *   keys: boolean, spoken: string}} Shown
 * @typedef {ReturnType<typeof makeClock>} Clock
 */

const STEP = 500; // milliseconds a second while playing
const SETTLED = 120;

/**
 * The day as it runs with the present settings, and where the lesson's moments are.
 * @param {import("../shared/kernel.js").Model} model
 */
function coreOf(model) {
  /** @type {Day} */
  const day = contentOf(model);
  /** @type {Shown} */
  const s = {
    at: model.get("at") ?? 0,
    script: (model.get("script") ?? []).map((step) => [...step]),
    handler: model.get("handler"),
    policy: model.get("policy"),
    guide: model.get("guide"),
    projector: Boolean(model.get("projector")),
    answers: [...(model.get("_answers") ?? [])],
    playing: false,
    quiz: null,
    keys: false,
    spoken: "",
  };
  let run = simulateDay(day, s.script, s.handler, day.seconds);
  const pays = () => run.ticks.find((t) => t.head >= day.token)?.second ?? day.seconds + 1;
  const asks = () => s.guide !== "off" && !s.answers.length;
  return {
    day,
    s,
    ...speaker(),
    pays,
    asks,
    run: () => run,
    tick: () => run.ticks[s.at],
    again: () => {
      run = simulateDay(day, s.script, s.handler, day.seconds);
    },
    save: (name, value) => saveTo(model, name, value),
    /** Bob's row is not shown before somebody said what it will be. */
    hidden: () => asks() && s.at >= pays(),
    told: () => s.guide === "off" || s.answers.some((row) => row.policy === s.policy),
    stops: () =>
      [...new Set([...day.rush, pays(), ...s.script.map((step) => step[0])])]
        .filter((second) => second <= day.seconds)
        .sort((a, b) => a - b),
  };
}

/** @typedef {ReturnType<typeof coreOf>} Core */

/** @param {Core} core */
function speech({ s, tick }) {
  const t = tick();
  const gap = t.events
    ? `${plural(t.events, "event")} and ${(t.milliseconds / 1000).toFixed(1)} seconds behind, ${t.trend}`
    : "nothing waits";
  const asked =
    s.quiz && !s.quiz.committed ? "Bob has paid, and refreshes: predict what he sees." : "";
  return `second ${s.at}: ${t.state}, ${gap}. ${asked}`.trim();
}

/**
 * Predict what Bob sees, then reveal.
 * @param {Core} core
 */
function quizOf({ day, s, pays, save, emit }) {
  function ask() {
    if (s.at < pays()) return;
    s.playing = false;
    s.keys = false;
    s.quiz = { second: s.at, policy: s.policy, answer: null, committed: false, why: "" };
    emit();
  }
  /** @param {string} answer */
  function choose(answer) {
    if (!s.quiz || s.quiz.committed) return;
    s.quiz.answer = answer;
    emit();
  }
  function commit() {
    if (!s.quiz?.answer || s.quiz.committed) return;
    const { answer } = s.quiz;
    const { text, waited } = bobSees(day, s.script, s.handler, s.at, s.policy);
    const row = {
      second: s.at,
      policy: s.policy,
      question: "Bob pays, then refreshes: what does he see?",
      answer,
      actual: text,
      match: text === answer,
      why: "",
    };
    s.quiz = {
      ...s.quiz,
      committed: true,
      actual: text,
      waited,
      second: s.at,
      policy: s.policy,
      row,
    };
    s.answers = [...s.answers, row];
    save("_answers", s.answers);
    s.spoken = `You said ${answer}. He sees ${text}.`;
    emit();
  }
  function goOn() {
    if (!s.quiz?.committed) return;
    const { row, why } = s.quiz;
    if (why) {
      s.answers = s.answers.map((one) => (one === row ? { ...one, why } : one));
      save("_answers", s.answers);
    }
    s.quiz = null;
    emit();
  }
  return { ask, choose, commit, goOn };
}

/**
 * @param {Core} core
 * @param {() => void} ask
 * @param {import("../shared/kernel.js").Model} model
 */
function movesOf(core, ask, model) {
  const { day, s, pays, asks, hidden, stops, save, emit } = core;
  let timer = null;
  let settling = null;
  let sent = s.at;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      if (!s.playing) s.spoken = speech(core);
      if (sent !== s.at) {
        sent = s.at;
        save("at", s.at);
      }
      emit();
    }, SETTLED);
  }
  /** @param {number} to */
  function move(to) {
    const first = pays();
    let second = clamp(Math.round(to), 0, day.seconds);
    if (asks() && second > first) second = Math.max(first, Math.min(s.at, second));
    if (s.quiz && second < first) s.quiz = null;
    s.at = second;
    if (hidden() && !s.quiz) ask();
    settle();
    emit();
  }
  /** @param {boolean} on */
  function play(on) {
    clearTimeout(timer);
    s.playing = on && s.at < day.seconds && !s.quiz;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (s.playing) timer = setTimeout(forth, still ? 1000 : STEP);
    else settle();
    emit();
  }
  function forth() {
    if (!s.playing) return;
    move(s.at + 1);
    play(!(s.quiz || s.at >= day.seconds || stops().includes(s.at)));
  }
  model.on("change:at", () => {
    const at = model.get("at");
    if (at === sent || at === s.at) return;
    sent = at;
    move(at);
  });
  return { move, play, stop: () => [timer, settling].forEach(clearTimeout) };
}

/**
 * What the operator does, and what is set.
 * @param {Core} core
 * @param {(to: number) => void} move
 */
function operationsOf({ day, s, tick, again, save }, move) {
  /**
   * @param {string} what
   * @param {any} value
   */
  function operate(what, value = null) {
    if (s.at >= day.seconds) return;
    const rate = { write: "writes", project: "projects" }[what];
    if (rate && tick()[rate] === value && !s.script.some((t) => t[0] === s.at && t[1] === what))
      return;
    s.script = doNow(s.script, s.at, what, value);
    again();
    save("script", s.script);
    // Of a crash and its cure one sees something a second later only.
    move(["crash", "restart", "rebuild"].includes(what) ? s.at + 1 : s.at);
  }
  function clear() {
    s.script = [];
    again();
    save("script", []);
    move(s.at);
  }
  /**
   * @param {"handler" | "policy" | "projector"} name
   * @param {any} value
   */
  function setTo(name, value) {
    Object.assign(s, { [name]: value });
    save(name, value);
    if (name === "handler") again();
    if (s.quiz?.committed && name === "policy") s.quiz = null;
    move(s.at);
  }
  /** Whether a pause or its end was asked for in this second, and will count from the next on. */
  function pending() {
    const step = s.script.find((t) => t[0] === s.at && (t[1] === "pause" || t[1] === "resume"));
    return step ? (step[1] === "pause") !== tick().paused : false;
  }
  return { operate, clear, setTo, pending };
}

/**
 * Follow what Python sets.
 * @param {import("../shared/kernel.js").Model} model
 * @param {Core} core
 * @param {(to: number) => void} move
 */
function follow(model, { s, again, emit }, move) {
  model.on("change:script", () => {
    const script = model.get("script");
    if (JSON.stringify(script) === JSON.stringify(s.script)) return;
    s.script = script.map((step) => [...step]);
    again();
    move(s.at);
  });
  for (const name of ["handler", "policy", "guide", "projector"])
    model.on(`change:${name}`, () => {
      if (model.get(name) === s[name]) return;
      s[name] = model.get(name);
      again();
      emit();
    });
}

/**
 * @param {any} clock
 * @returns {Record<string, () => void>}
 */
function actionsOf({ day, s, emit, stops, move, play, ask, commit, goOn }) {
  return {
    back: () => move(s.at - 1),
    next: () => move(s.at + 1),
    "back-10": () => move(s.at - 10),
    "next-10": () => move(s.at + 10),
    start: () => move(0),
    end: () => move(day.seconds),
    "stop-back": () => move(next(stops(), s.at, -1) ?? 0),
    "stop-next": () => move(next(stops(), s.at, 1) ?? day.seconds),
    play: () => play(!s.playing),
    predict: () => (s.quiz ? (s.quiz.committed ? goOn() : commit()) : ask()),
    keys: () => {
      s.keys = !s.keys;
      if (s.keys && s.quiz && !s.quiz.committed) s.quiz = null;
      emit();
    },
  };
}

/** @param {import("../shared/kernel.js").Model} model */
export function makeClock(model) {
  const core = coreOf(model);
  const { s, emit } = core;
  const quiz = quizOf(core);
  const moves = movesOf(core, quiz.ask, model);
  const operations = operationsOf(core, moves.move);
  const actions = actionsOf({ ...core, ...quiz, ...moves });
  follow(model, core, moves.move);
  if (core.hidden()) quiz.ask();
  return {
    ...core,
    ...quiz,
    ...moves,
    ...operations,
    /** @param {string} name */
    act(name) {
      if (s.playing && name !== "play") moves.play(false);
      actions[name]?.();
    },
    /** Leave what is open; false when nothing was. */
    leave() {
      if (s.quiz?.committed) quiz.goOn();
      else if (s.quiz) s.quiz = null;
      else if (s.keys) s.keys = false;
      else return false;
      emit();
      return true;
    },
  };
}
