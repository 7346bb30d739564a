// Answers questions about tapes, one JSON a line, so that pytest can compare the core with Python.
import { createInterface } from "node:readline";
import { adviceOf } from "../../esnb/course/widgets/static/checklist/advice.js";
import { comparedRows } from "../../esnb/course/widgets/static/lag/compare.js";
import {
  bobSees,
  readerAt,
  simulateDay,
  truthAt,
} from "../../esnb/course/widgets/static/lag/day.js";
import { keyOf, quantity } from "../../esnb/course/widgets/static/shared/guess.js";
import * as core from "./core.mjs";

const named = (tape, state) =>
  Object.fromEntries([...state].map(([p, t]) => [tape.paths[p], tape.text(t)]));

const ANSWERS = {
  states({ payload, order }) {
    const tape = core.tape(payload);
    return order.map((i) => named(tape, tape.seek(i)));
  },
  windows({ n, span, windows }) {
    const film = core.filmOf(n, span, windows.length);
    windows.forEach((window) => film.add(window));
    return Array.from({ length: n + 1 }, (_, i) => {
      film.look(i);
      const all = film.paths.map((path) => [path, film.value(path, i)]);
      return Object.fromEntries(all.filter(([, text]) => text !== null));
    });
  },
  steps({ payload }) {
    const tape = core.tape(payload);
    return payload.changes.map((_, k) => tape.step(k + 1));
  },
  diffs({ payload, pairs }) {
    const tape = core.tape(payload);
    return pairs.map(([a, b]) => tape.diff(a, b));
  },
  changed: ({ payload, path }) => core.tape(payload).changed(path),
  origin: ({ snapshots, n, use }) =>
    Array.from({ length: n + 1 }, (_, i) => core.origin(snapshots, i, use)),
  numberAt: ({ times, at }) => at.map((us) => core.numberAt(times, us)),
  parseTime: ({ texts }) => texts.map(core.parseTime),
  moment: ({ times }) => times.map(core.moment),
  commands: ({ command }) => {
    const walk = [0];
    while (walk.at(-1) < command.length) walk.push(core.byCommand(command, walk.at(-1), 1));
    const back = [command.length];
    while (back.at(-1) > 0) back.push(core.byCommand(command, back.at(-1), -1));
    return [walk, back.reverse()];
  },
  code: ({ payload, views }) => views.map((view) => core.code(payload, view)),
  pretty: ({ texts }) => texts.map((text) => core.pretty(text)),
  questions: ({ payload }) => {
    const tape = core.tape(payload);
    return payload.changes.map((_, k) => core.questions(tape, payload, k + 1));
  },
  which: ({ payload, turns }) => {
    const tape = core.tape(payload);
    return Array.from({ length: turns }, (_, k) => core.whichEvent(tape, payload, k));
  },
  legal: ({ tree, orders }) => orders.map((numbers) => core.firstIllegal(tree, numbers)),
  bisect: ({ payload, path, test, value }) => {
    const tape = core.tape(payload);
    const holds = core.condition(test, value);
    return core.bisect(tape.n, (i) => holds(tape.value(path, i)));
  },
  advice: ({ content, cases }) => cases.map((given) => adviceOf(content, given)),
  keys: ({ texts, unit }) => texts.map((text) => [keyOf(text, unit), quantity(text, unit)]),
  day({ day, script, handler, upto, moments }) {
    const { ticks } = simulateDay(day, script, handler, upto);
    const rows = (found) => Object.fromEntries([...found].map(([k, v]) => [day.orders[k], v]));
    const reader = (m) => readerAt(day, ticks[m], handler);
    const truth = (m) => truthAt(day, ticks[m]);
    const sees = (m, policy) =>
      ticks[m].head < day.token ? null : bobSees(day, script, handler, m, policy).text;
    return {
      ticks: ticks.map((t) => [
        t.second,
        t.head,
        t.checkpoint,
        t.events,
        t.milliseconds,
        t.trend,
        t.state,
        t.paused,
        t.crashed,
        t.rebuild,
      ]),
      reader: moments.map((m) => rows(reader(m))),
      truth: moments.map((m) => rows(truth(m))),
      compared: moments.map((m) => comparedRows(day, reader(m), truth(m)).rows),
      sees: moments.map((m) => ["as is", "stream", "wait"].map((policy) => sees(m, policy))),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...rest } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(ANSWERS[ask](rest))}\n`);
}
