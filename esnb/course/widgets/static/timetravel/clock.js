// The clock of TimeTravel: what is shown, for all views of one model, and what can be done with it.
import { next } from "../shared/places.js";
import { choicesOf, followChoices } from "./choices.js";
import { coreOf } from "./core.js";
import { filterOf } from "./filter.js";
import { movesOf, settlingOf } from "./moves.js";
import { orderingOf } from "./ordering.js";
import { quizOf } from "./quiz.js";
import { whatIfOf } from "./what_if.js";
import { windowsOf } from "./windows.js";

/**
 * What each key and button is called, and what it does.
 * @param {any} clock
 * @returns {Record<string, () => void>}
 */
function actionsOf(clock) {
  const { s, n, stopNumbers, move } = clock;
  return {
    back: () => move(clock.stepped(-1)),
    next: clock.forward,
    "back-10": () => move(s.at - 10),
    "next-10": () => move(s.at + 10),
    start: () => move(0),
    end: () => move(n),
    "stop-back": () => move(next(stopNumbers, s.at, -1) ?? 0),
    "stop-next": () => move(next(stopNumbers, s.at, 1) ?? n),
    play: () => clock.play(!s.playing),
    "field-back": () => clock.hop(-1),
    "field-next": () => clock.hop(1),
    "pin-a": () => clock.pin(0),
    "pin-b": () => clock.pin(1),
    compare: clock.compare,
    mute: () => clock.mute(s.at),
    filter: () => clock.filterBy({ open: !s.filter.open }),
    predict: () =>
      s.quiz ? (s.quiz.committed ? clock.reveal() : clock.commit()) : clock.openQuiz(),
    keys: () => clock.toggle("keys"),
  };
}

/**
 * @param {import("../shared/kernel.js").Model} model
 * @returns {import("./types.js").Clock}
 */
export function makeClock(model) {
  const core = coreOf(model);
  const { s } = core;
  const settling = settlingOf(core);
  const windows = windowsOf(core, settling.settle);
  const moves = movesOf(core, {
    settle: settling.settle,
    reach: windows.reach,
    ask: () => quiz.openQuiz(),
  });
  const quiz = quizOf(core, { move: moves.move, wanted: windows.wanted });
  const filter = filterOf(core);
  const whatIf = whatIfOf(core);
  const choices = choicesOf(core, { ...moves, ...windows, ...whatIf, ...filter });
  const clock = {
    ...core,
    ...windows,
    ...moves,
    ...quiz,
    ...filter,
    ...whatIf,
    ...choices,
    ...orderingOf(core, moves.move),
  };
  const actions = actionsOf(clock);
  settling.follow(moves.move);
  followChoices(core, choices);
  windows.reach();
  if (s.muted.length) {
    s.panel = "what-if";
    whatIf.experiment();
  }
  return {
    ...clock,
    act(name) {
      if (s.playing && name !== "play") moves.play(false);
      actions[name]?.();
    },
    stop() {
      moves.halt();
      settling.forget();
      windows.forget();
    },
  };
}
