// The core alone: moves, places, keys, words. Run by pytest, or with `node --test tests/js`.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "./core.mjs";

/** n events on three fields, each with its own way to change; the states folded here, by hand. */
function made(n, every = 64) {
  const texts = [];
  const number = (text) => {
    if (!texts.includes(text)) texts.push(text);
    return texts.indexOf(text);
  };
  const paths = ["total", "note", "items.a"];
  const changes = [];
  const states = [new Map([[0, number("0")]])];
  for (let i = 1; i <= n; i += 1) {
    const now = new Map(states[i - 1]);
    const row = [0, now.get(0), number(String((i * 7) % 13))];
    now.set(0, row[2]);
    if (i % 3 === 0) {
      const had = now.has(1) ? now.get(1) : -1;
      const has = had === -1 ? number(`'n${i}'`) : -1;
      row.push(1, had, has);
      if (has === -1) now.delete(1);
      else now.set(1, has);
    }
    changes.push(row);
    states.push(now);
  }
  const full = [];
  for (let i = 0; i <= n; i += every) full.push([...states[i]].flat());
  return { payload: { n, paths, texts, changes, full, every }, states };
}
const same = (a, b) => assert.deepEqual([...a].sort(), [...b].sort());

test("seek gives the fold at every position, from any other", () => {
  for (const n of [0, 1, 5, 200]) {
    const { payload, states } = made(n);
    const tape = core.tape(payload);
    for (let i = 0; i <= n; i += 1) same(tape.seek(i), states[i]);
    for (let i = n; i >= 0; i -= 1) same(tape.seek(i), states[i]);
    for (let k = 0; k < 300; k += 1) {
      const i = (k * 7919) % (n + 1);
      same(tape.seek(i), states[i]);
    }
  }
});

test("forward and back again changes nothing, and the ends hold", () => {
  const { payload, states } = made(100, 8);
  const tape = core.tape(payload);
  for (const [from, to] of [
    [0, 100],
    [13, 14],
    [64, 63],
    [50, 0],
  ]) {
    tape.seek(from);
    tape.seek(to);
    same(tape.seek(from), states[from]);
  }
  same(tape.seek(-5), states[0]);
  same(tape.seek(1e9), states[100]);
});

test("a diff is the mirror image of the diff the other way", () => {
  const tape = core.tape(made(40).payload);
  const mirror = { "+": "-", "-": "+", "~": "~" };
  for (const [a, b] of [
    [0, 40],
    [3, 4],
    [12, 30],
    [7, 7],
  ]) {
    const there = tape.diff(a, b);
    const back = tape
      .diff(b, a)
      .map((c) => ({ path: c.path, op: mirror[c.op], before: c.after, after: c.before }));
    assert.deepEqual(there, back);
  }
  assert.deepEqual(tape.diff(7, 7), []);
});

test("field history and series", () => {
  const tape = core.tape(made(9).payload);
  assert.deepEqual(tape.changed("note"), [3, 6, 9]);
  assert.deepEqual(tape.changed("total"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(tape.changed("nowhere"), []);
  assert.deepEqual(tape.series("total").slice(0, 3), [
    [0, 0],
    [1, 7],
    [2, 1],
  ]);
  assert.deepEqual(tape.series("note"), []);
});

test("binning loses no event, with a filter and without", () => {
  for (const [n, columns] of [
    [1, 10],
    [1000, 7],
    [10000, 800],
  ]) {
    const axis = core.axis(n);
    const lane = (k) => k % 3;
    const sums = (which) =>
      core
        .bins(n, axis.event, lane, 3, columns, which)
        .map((row) => row.reduce((a, b) => a + b, 0));
    const all = Array.from({ length: n }, (_, k) => k + 1);
    const some = Uint8Array.from(all, (k) => Number(k % 5 !== 0));
    assert.deepEqual(
      sums(null),
      [0, 1, 2].map((l) => all.filter((k) => lane(k) === l).length),
    );
    assert.deepEqual(
      sums(some),
      [0, 1, 2].map((l) => all.filter((k) => lane(k) === l && k % 5).length),
    );
  }
  // Each column holds the events that stand over it.
  const counts = core.bins(10, core.axis(10).event, () => 0, 1, 5);
  assert.deepEqual([...counts[0]], [2, 2, 2, 2, 2]);
});

test("places: events in order, positions between them, nearest is the inverse", () => {
  const times = [5, 5, 5, 6, 900000, 900001, 900001].map((x) => x * 1e6);
  for (const axis of [core.axis(7), core.axis(7, times)]) {
    for (let k = 1; k <= 7; k += 1) {
      assert.ok(axis.at(k - 1) < axis.event(k) && axis.event(k) < axis.at(k));
      assert.equal(axis.nearest(axis.at(k)), k);
    }
    assert.equal(axis.at(0), 0);
    assert.equal(axis.at(7), 1);
    assert.equal(axis.nearest(-3), 0);
    assert.equal(axis.nearest(3), 7);
  }
  assert.equal(core.axis(7, times).folds.length, 1);
});

test("keys: the design's table", () => {
  const reading = {
    ArrowLeft: "back",
    ArrowRight: "next",
    PageUp: "back-10",
    PageDown: "next-10",
    Home: "start",
    End: "end",
    " ": "play",
    "[": "field-back",
    "]": "field-next",
    a: "pin-a",
    b: "pin-b",
    c: "compare",
    m: "mute",
    p: "predict",
    g: "goto",
    f: "filter",
    "?": "keys",
    Escape: "leave",
    ".": null,
    x: null,
    Enter: null,
    Tab: null,
    F5: null,
  };
  for (const [key, want] of Object.entries(reading)) assert.equal(core.action(key), want, key);
  const shift = { shift: true };
  assert.equal(core.action("ArrowLeft", shift), "stop-back");
  assert.equal(core.action("ArrowRight", shift), "stop-next");
  const projector = { projector: true };
  assert.equal(core.action("PageUp", projector), "stop-back");
  assert.equal(core.action("PageDown", projector), "stop-next");
  assert.equal(core.action(".", projector), "play");
});

test("a command of two events is one step", () => {
  const command = [0, 1, 1, 2, 2, 2];
  const walk = (at, d) => core.byCommand(command, at, d);
  assert.deepEqual(
    [0, 1, 3, 6].map((at) => walk(at, 1)),
    [1, 3, 6, 6],
  );
  assert.deepEqual(
    [6, 3, 1, 0].map((at) => walk(at, -1)),
    [3, 1, 0, 0],
  );
  assert.equal(walk(2, 1), 3);
  assert.equal(walk(2, -1), 1);
});

test("newest request wins, one in flight", async () => {
  const seen = [];
  const doors = [];
  const ask = core.newestOnly((x) => {
    seen.push(x);
    return new Promise((open) => doors.push(open));
  });
  for (const x of [1, 2, 3, 4]) ask(x);
  assert.deepEqual(seen, [1]);
  doors[0]();
  await new Promise((r) => setTimeout(r));
  assert.deepEqual(seen, [1, 4]);
  doors[1]();
  await new Promise((r) => setTimeout(r));
  ask(5);
  assert.deepEqual(seen, [1, 4, 5]);
});

test("bisection finds the first, and says when it cannot be trusted", () => {
  for (let first = 0; first <= 20; first += 1) {
    const { found, scan, turns, probes } = core.bisect(20, (i) => i >= first);
    assert.equal(found, first);
    assert.equal(scan, first);
    assert.equal(turns, first === 0 ? 0 : 1);
    assert.ok(probes.length <= 6);
  }
  assert.equal(core.bisect(20, () => false).found, null);
  const twice = core.bisect(20, (i) => i === 3 || i >= 15);
  assert.equal(twice.scan, 3);
  assert.equal(twice.turns, 3);
});

test("words", () => {
  assert.equal(core.sentence([]), "no field changed");
  const change = { path: "total", op: "~", before: "40", after: "55" };
  assert.equal(core.sentence([change]), "total 40 to 55");
  assert.equal(core.sentence(Array(5).fill(change)).endsWith("and 2 more"), true);
  assert.equal(core.span(241e6), "4 min 1 s");
  assert.equal(core.span(1500), "2 ms");
  assert.equal(
    core.pretty('{"big":9007199254740993,"a":"x, {y}"}'),
    '{"big": 9007199254740993, "a": "x, {y}"}',
  );
  assert.match(
    core.pretty(`{"items":[${'{"sku":"MUG-BLUE","n":1},'.repeat(4).slice(0, -1)}]}`),
    /^\{\n {2}"items": \[\n {4}\{"sku": "MUG-BLUE", "n": 1\},/,
  );
  assert.equal(core.parseTime("2026-03-02 09:00"), Date.UTC(2026, 2, 2, 9) * 1000);
  assert.equal(
    core.parseTime("2026-03-02T09:00:00.000001+01:00"),
    Date.UTC(2026, 2, 2, 8) * 1000 + 1,
  );
  for (const bad of ["", "yesterday", "2026-02-30", "2026-13-01", "2026-01-01T25:00"])
    assert.equal(core.parseTime(bad), null, bad);
});

test("a mixed order holds every event once, and is never the right one", () => {
  for (let n = 2; n <= 10; n += 1)
    for (let turn = 0; turn < 20; turn += 1) {
      const order = core.mixed(n, turn);
      const right = Array.from({ length: n }, (_, k) => k + 1);
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        right,
      );
      assert.notDeepEqual(order, right);
    }
});

test("events that mention a text", () => {
  const payload = {
    n: 3,
    type: [0, 1, 0],
    types: [{ name: "Added" }, { name: "Paid" }],
    data: ['{"by":"Card"}', "{}", '{"x":1}'],
    metadata: ["{}", '{"who":"card-bot"}', "{}"],
  };
  assert.deepEqual(core.mentions(payload, "card"), [1, 2]);
  assert.deepEqual(core.mentions(payload, "ADDED"), [1, 3]);
  assert.deepEqual(core.mentions(payload, "  "), []);
});

test("the next one in a list, from any place", () => {
  const list = [2, 5, 5, 9];
  for (const sorted of [list, Uint32Array.from(list)])
    for (let at = 0; at <= 10; at += 1) {
      assert.equal(core.next(sorted, at, 1), list.find((x) => x > at) ?? null);
      assert.equal(core.next(sorted, at, -1), list.findLast((x) => x < at) ?? null);
    }
  assert.equal(core.next([], 3, 1), null);
});

test("play as recorded: what lay between, and at most a second", () => {
  assert.equal(core.pauseOf(null, 200e3, false), 200);
  assert.equal(core.pauseOf(null, 8 * 3600e6, false), 1000); // a night does not last one
  assert.equal(core.pauseOf(null, 0, false), 60);
  assert.equal(core.pauseOf(null, NaN, false), 1000); // no time known
  assert.equal(core.pauseOf(null, -5, false), 1000); // clocks that disagree
  assert.equal(core.pauseOf(200, 8 * 3600e6, false), 200);
  assert.equal(core.pauseOf(200, 1, true), 1000);
});

test("what passes a filter", () => {
  const payload = { n: 5, type: [0, 1, 0, 2, 1] };
  const passing = (types, numbers) => [...core.passing(payload, new Set(types), numbers)];
  assert.deepEqual(passing([], null), [1, 1, 1, 1, 1]);
  assert.deepEqual(passing([1], null), [0, 1, 0, 0, 1]);
  assert.deepEqual(passing([1, 2], null), [0, 1, 0, 1, 1]);
  assert.deepEqual(passing([1], [1, 5]), [0, 0, 0, 0, 1]);
  assert.deepEqual(passing([], []), [0, 0, 0, 0, 0]);
});

test("times without a value are none", () => {
  assert.equal(core.moment(NaN), "no time");
  assert.equal(core.numberAt(Float64Array.of(1, 2, NaN), 2), 2);
  assert.equal(core.numberAt(Float64Array.of(NaN, 2), 2), null);
});

// -- windows ----------------------------------------------------------------------------------------

/** A tape cut into windows, as Python cuts it. */
function cut({ payload, states }, span) {
  const { n, paths, texts, changes } = payload;
  const windows = [];
  for (let from = 0; from < n; from += span) {
    const to = Math.min(n, from + span);
    windows.push({
      from,
      to,
      paths,
      texts,
      every: span + 1,
      full: [[...states[from]].flat()],
      changes: changes.slice(from, to),
    });
  }
  return windows;
}

test("a film of windows is the whole tape, at every event and around it", () => {
  for (const [n, span] of [
    [1, 4],
    [4, 4],
    [30, 7],
    [64, 8],
  ]) {
    const whole = made(n);
    const tape = core.tape(whole.payload);
    const film = core.filmOf(n, span);
    assert.equal(film.has(0), false);
    for (const window of cut(whole, span)) film.add(window);
    for (let i = 0; i <= n; i += 1) {
      assert.ok(film.look(i));
      const [first, last] = film.range();
      assert.ok(first <= Math.max(i, 1) && i <= last);
      assert.deepEqual(film.step(i), tape.step(i));
      assert.deepEqual(film.rows(Math.max(0, i - 1), i), tape.rows(Math.max(0, i - 1), i));
      for (const path of tape.paths) assert.equal(film.value(path, i), tape.value(path, i));
      assert.deepEqual(
        film.changed("note"),
        tape.changed("note").filter((k) => k >= first && k <= last),
      );
    }
    assert.equal(film.rows(0, n) === null, n > span);
    assert.deepEqual(film.step(0), []);
    assert.deepEqual(film.step(n + 1), []);
  }
});

test("a film keeps the last windows, and never lets go of the one that is looked at", () => {
  const whole = made(100);
  const film = core.filmOf(100, 10, 3);
  const [first, ...rest] = cut(whole, 10);
  film.add(first);
  film.look(5);
  const gone = rest.flatMap((window) => film.add(window));
  assert.ok(film.has(5) && film.has(100));
  assert.equal(gone.length, 7);
  assert.deepEqual(gone[0], { from: 10, to: 20 });
  for (const { from, to } of gone) assert.ok(!film.has(from + 1) && !film.has(to));
});

test("headers come out of the bytes as they went in, wherever these begin", () => {
  const n = 3;
  const bytes = new Uint8Array(15 * n + 3);
  for (const shift of [0, 3]) {
    const view = new DataView(bytes.buffer, shift, 15 * n);
    [1.5e15, -2, NaN].forEach((v, k) => view.setFloat64(8 * k, v, true));
    [0, 70000, 70001].forEach((v, k) => view.setUint32(8 * n + 4 * k, v, true));
    [0, 300, 1].forEach((v, k) => view.setUint16(12 * n + 2 * k, v, true));
    [0, 1, 255].forEach((v, k) => view.setUint8(14 * n + k, v));
    const { time, command, type, lane } = core.headersOf(view, n);
    assert.deepEqual(
      [[...time], [...command], [...type], [...lane]],
      [
        [1.5e15, -2, NaN],
        [0, 70000, 70001],
        [0, 300, 1],
        [0, 1, 255],
      ],
    );
  }
});
