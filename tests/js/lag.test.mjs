// The counting part of lag.js alone. What it must agree with is in tests/course/widgets/test_lag.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as compare from "../../esnb/course/widgets/static/lag/compare.js";
import * as simulation from "../../esnb/course/widgets/static/lag/day.js";

const lag = { ...simulation, ...compare };

/** Twenty events of two orders; one event a second is written, two are projected. */
const day = {
  seconds: 20,
  writes: 1,
  projects: 2,
  rebuild: 3,
  trend: 3,
  timeout: 5,
  shown: 5,
  token: 9,
  bob: 0,
  counts: { 1: Array(20).fill(1), 3: Array(20).fill(3) },
  orders: ["order-17", "order-2"],
  order: [-1, ...Array.from({ length: 20 }, (_, k) => k % 2)],
  rows: Array.from({ length: 21 }, (_, k) => ["PENDING", 100 * Math.ceil(k / 2), 0]),
  truth: Array.from({ length: 21 }, (_, k) => ["PENDING", 100 * Math.ceil(k / 2), 0]),
  effects: Array.from({ length: 21 }, (_, k) => ["PENDING", k ? 100 : 0, 0]),
};
const run = (script, handler = "transaction") => lag.simulateDay(day, script, handler, 20).ticks;

test("without trouble nothing waits", () => {
  for (const t of run([]))
    assert.deepEqual([t.head, t.checkpoint, t.state], [t.second, t.second, "caught up"]);
});
test("the checkpoint never goes back, and is never ahead", () => {
  for (const handler of ["transaction", "idempotent", "adds"]) {
    const ticks = run(
      [
        [3, "write", 3],
        [5, "crash"],
        [8, "restart"],
        [9, "pause"],
        [11, "rebuild"],
      ],
      handler,
    );
    ticks.forEach((t, k) => {
      assert.ok(t.checkpoint <= t.head && t.head <= 20);
      if (k) assert.ok(t.checkpoint >= ticks[k - 1].checkpoint);
    });
  }
});
test("a crash repeats a batch where the position is apart, and only there", () => {
  const script = [
    [4, "write", 3],
    [6, "crash"],
    [8, "restart"],
  ];
  const total = (handler) =>
    [...lag.readerAt(day, run(script, handler)[19], handler).values()].reduce(
      (sum, row) => sum + row[1],
      0,
    );
  assert.equal(total("transaction"), total("idempotent"));
  assert.equal(total("adds"), total("idempotent") + 200);
  assert.equal(
    lag.readerAt(day, run(script, "transaction")[7], "transaction").get(0)[1],
    day.rows[run(script)[6].checkpoint][1],
  );
});
test("seconds are those of the oldest event that waits", () => {
  const ticks = run([[10, "pause"]]);
  assert.equal(ticks[10].milliseconds, 0);
  assert.equal(ticks[13].milliseconds, 2500); // written in the middle of second 10
  assert.equal(ticks[13].events, 3);
  assert.equal(ticks[13].state, "stalled");
});
test("waiting ends with the position, or fails", () => {
  assert.deepEqual(lag.bobSees(day, [], "transaction", 9, "wait"), { text: "PENDING", waited: 0 });
  assert.equal(lag.bobSees(day, [[5, "pause"]], "transaction", 9, "wait").text, "a timeout");
  assert.equal(lag.bobSees(day, [[0, "pause"]], "transaction", 9, "as is").text, "no such order");
  assert.equal(lag.bobSees(day, [[0, "pause"]], "transaction", 9, "stream").text, "PENDING");
});
test("doing something forgets what was done later", () => {
  const script = [
    [3, "pause", null],
    [5, "crash", null],
    [9, "restart", null],
  ];
  assert.deepEqual(lag.doNow(script, 5, "rebuild"), [...script.slice(0, 2), [5, "rebuild", null]]);
  assert.deepEqual(lag.doNow(script, 3, "resume"), [[3, "resume", null]]);
});
test("cents", () => {
  assert.deepEqual([5, -5, 1250, 100000].map(lag.cents), ["0.05", "-0.05", "12.50", "1000.00"]);
});
