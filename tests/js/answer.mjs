// Answers questions about tapes, one JSON a line, so that pytest can compare the core with Python.
import { createInterface } from "node:readline";
import { core } from "./core.mjs";

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
    return Array.from({ length: n + 1 }, (_, i) => Object.fromEntries(
      (film.look(i), film.paths).map((path) => [path, film.value(path, i)]).filter(([, text]) => text !== null)));
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
    const holds = core.condition(path, test, value);
    return core.bisect(tape.n, (i) => holds(tape.value(path, i)));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...rest } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(ANSWERS[ask](rest))}\n`);
}
