// Moving through a stream: to a place, by steps, by itself, and to a typed number or time.
import { byCommand, next, pauseOf } from "../shared/places.js";
import { clamp, exampleTime, numberAt, parseTime, sentence } from "../shared/words.js";

/** @type {[string, number | null][]} */
export const SPEEDS = [
  ["1 / s", 1000],
  ["2 / s", 500],
  ["5 / s", 200],
  ["1 / 2 s", 2000],
  ["as recorded, gaps up to 1 s", null],
];
const SETTLED = 120; // milliseconds until a position counts as reached

/**
 * What a screen reader says of the position.
 * @param {import("./types.js").Core} core
 */
function speech({ s, film, stops, typeName, refusedAt }) {
  const stop = stops.get(s.at);
  const what =
    s.at === 0
      ? "before anything happened"
      : `event ${s.at}, ${typeName(s.at)}: ${sentence(film.step(s.at))}`;
  const refused = refusedAt(s.at).map(
    ([, command, reason]) => `. Refused here: ${command}: ${reason}`,
  );
  return `${what}${stop ? `. Stop: ${stop}` : ""}${refused.join("")}`;
}

/**
 * The position is told, to the reader and to Python, when it has been the same for a moment.
 * @param {import("./types.js").Core} core
 */
export function settlingOf(core) {
  const { s, film, save, emit, model } = core;
  let settling = null;
  let sent = s.at;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      if (!s.playing && film.has(s.at)) s.spoken = speech(core);
      if (sent !== s.at) {
        sent = s.at;
        save("at", s.at);
      }
      emit();
    }, SETTLED);
  }
  /** @param {(at: number) => void} move */
  function follow(move) {
    model.on("change:at", () => {
      const at = model.get("at");
      // An echo of where we were, or of where we are.
      if (at === sent || at === s.at) return;
      sent = at;
      move(at);
    });
  }
  return { settle, follow, forget: () => clearTimeout(settling) };
}

/**
 * @param {import("./types.js").Core} core
 * @param {{settle: () => void, reach: () => void, ask: () => void}} does
 */
export function movesOf(core, { settle, reach, ask }) {
  const { payload, n, s, stopNumbers, stops, emit } = core;
  let timer = null;
  /** @param {number} i */
  function move(i) {
    const to = clamp(Math.round(i), 0, n);
    s.problem = "";
    if (s.quiz && !s.quiz.past && to !== s.quiz.number - 1) s.quiz = null;
    if (to === s.at) return emit();
    s.at = to;
    reach();
    settle();
    return emit();
  }
  /** @param {number} direction */
  const stepped = (direction) =>
    s.stepBy === "command"
      ? byCommand(payload.command, s.at, direction)
      : clamp(s.at + direction, 0, n);
  const answered = (i) => s.answers.some((row) => row.number === i && row.kind !== "event");
  /** One step forward; where the guide is partial, a prediction comes first. */
  function forward() {
    const gated = s.guide === "partial" && s.at < n && !answered(s.at + 1);
    if (!gated) move(stepped(1));
    else if (!s.quiz) ask();
  }
  /** @param {boolean} on */
  function play(on) {
    clearTimeout(timer);
    s.playing = on && n > 0;
    if (!on) {
      settle();
      return emit();
    }
    if (s.at >= n) move(0);
    timer = setTimeout(tick, pause());
    return emit();
  }
  function pause() {
    const gap = s.at >= 1 && s.at < n ? payload.time[s.at] - payload.time[s.at - 1] : NaN;
    const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    return pauseOf(SPEEDS[s.speed][1], gap, still);
  }
  function tick() {
    if (!s.playing) return;
    const before = s.at;
    forward();
    const stop = next(stopNumbers, before, 1);
    if (stop !== null && stop < s.at) move(stop);
    if (s.quiz || s.at >= n || stops.has(s.at)) play(false);
    else timer = setTimeout(tick, pause());
  }
  return { move, stepped, forward, play, go: goOf(core, move), halt: () => clearTimeout(timer) };
}

/**
 * @param {import("./types.js").Core} core
 * @param {(i: number) => void} move
 */
function goOf({ payload, n, s, emit }, move) {
  /**
   * Go to a number or a time that was typed; false where it is neither.
   * @param {string} text
   */
  return function go(text) {
    const bare = text.trim();
    const us = parseTime(bare);
    const whole = /^\d+$/.test(bare) && Number(bare) <= n ? Number(bare) : null;
    const number = whole ?? (us === null ? null : numberAt(payload.time, us));
    if (number !== null) {
      move(number);
      return true;
    }
    s.problem =
      us !== null
        ? "The events up to that time are not the first ones of the stream: their clocks disagreed."
        : `Neither a number from 0 to ${n} nor a time such as ${exampleTime(payload.time)}.`;
    emit();
    return false;
  };
}
