// The reader's side of Race without a page: moves, the gate, the guard. The runs are made here, by
// a small simulation. Run by pytest, or with `node --test tests/js`.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as moves from "../../esnb/course/widgets/static/race/moves.js";
import { makeRace } from "../../esnb/course/widgets/static/race/race.js";

const race = { ...moves, makeRace };

const CHOICES = ["stored", "too many", "refused"];

/** All runs of two writers and one piece: the steps by the moves before. */
function runs(guard) {
  const nodes = {};
  function grow(path, state, step) {
    const { version, sold, writers } = state;
    const next = [];
    for (const [letter, w] of Object.entries(writers)) {
      if (w.next === "conflict")
        next.push([letter, "again"], [`${letter}+`, "raise"], [`${letter}-`, "give up"]);
      else if (w.next) next.push([letter, w.next]);
    }
    nodes[path] = { ...step, version, sold, next };
    for (const [move] of next) {
      const copy = structuredClone(state);
      grow(path + move, copy, take(copy, move));
    }
  }
  function take(state, move) {
    const w = state.writers[move[0]];
    const step = { move, who: move[0] === "A" ? "ada" : "ben", say: `${move} moved`, code: "x" };
    if (move.endsWith("-")) {
      w.next = "";
      return { ...step, step: "give up" };
    }
    if ((w.next === "read" || w.next === "conflict") && !move.endsWith("+")) {
      Object.assign(w, { next: "decide", knows: state.version, left: 1 - state.sold });
      return { ...step, step: "read" };
    }
    if (w.next === "decide") {
      w.next = w.left > 0 ? "append" : "refuse";
      return { ...step, step: "decide" };
    }
    if (w.next === "refuse") {
      w.next = "";
      return { ...step, step: "refuse" };
    }
    if (guard && !move.endsWith("+") && w.knows !== state.version) {
      w.next = "conflict";
      return { ...step, step: "conflict", expected: w.knows, actual: state.version };
    }
    w.next = "";
    state.version += 1;
    state.sold += 1;
    return {
      ...step,
      step: move.endsWith("+") ? "raise" : guard ? "append" : "write",
      number: state.version,
    };
  }
  grow(
    "",
    { version: 1, sold: 0, writers: { A: { next: "read" }, B: { next: "read" } } },
    { step: null },
  );
  for (const node of Object.values(nodes)) node.trouble = []; // none here: the real ones come from Python
  return nodes;
}
const GUARDS = { on: runs(true), off: runs(false) };
const every = Object.keys(GUARDS.off).filter((path) => path.length === 6);
const payload = {
  pieces: 1,
  names: ["ada", "ben"],
  choices: CHOICES,
  guards: GUARDS,
  schedules: every.map((path) => [
    path,
    GUARDS.on[path].step === "conflict" || GUARDS.on[path.slice(0, 5)].step === "conflict"
      ? "conflict"
      : "clean",
    GUARDS.off[path].sold > 1 ? "oversold" : "clean",
  ]),
};

function made(values = {}) {
  const held = {
    schedule: "",
    guard: true,
    predict: true,
    _payload: JSON.stringify(payload),
    ...values,
  };
  const listeners = {};
  const model = {
    get: (name) => held[name],
    set: (name, value) => {
      held[name] = value;
    },
    save_changes: () => {},
    on: (name, call) => {
      listeners[name] = call;
    },
    write: (name, value) => {
      held[name] = value;
      listeners[`change:${name}`]?.();
    },
  };
  const r = race.makeRace(model);
  const play = (keys) => [...keys].forEach((key) => r.act(race.raceAction(key) ?? key));
  return { ...r, held, model, play };
}

test("20 schedules, by the simulation of this file too", () => {
  assert.equal(every.length, 20);
  assert.equal(payload.schedules.filter((row) => row[1] === "conflict").length, 18);
  assert.equal(payload.schedules.filter((row) => row[2] === "oversold").length, 18);
});

test("moves of a schedule", () => {
  assert.deepEqual(race.movesOf("ABB-A+"), ["A", "B", "B-", "A+"]);
  assert.deepEqual(race.movesOf(""), []);
});

test("keys", () => {
  const want = {
    ArrowLeft: "back",
    ArrowRight: "next",
    Home: "start",
    End: "end",
    PageUp: "start",
    PageDown: "end",
    a: "A",
    B: "B",
    g: "guard",
    p: "predict",
    s: "schedules",
    "?": "keys",
    Escape: "leave",
    x: null,
    Enter: null,
    Tab: null,
    " ": null,
  };
  for (const [key, name] of Object.entries(want)) assert.equal(race.raceAction(key), name, key);
  assert.equal(race.raceAction("PageUp", true), "back");
  assert.equal(race.raceAction("PageDown", true), "next");
});

test("without predictions every schedule is stepped through, and back", () => {
  for (const schedule of every) {
    const r = made({ predict: false });
    r.play(schedule.toLowerCase());
    assert.equal(r.path(), schedule);
    assert.equal(r.held.schedule, schedule);
    for (let n = 5; n >= 0; n -= 1) {
      r.act("back");
      assert.equal(r.path(), schedule.slice(0, n));
    }
    r.act("end");
    assert.equal(r.path(), schedule);
  }
});

test("no way leads to an append that was not predicted", () => {
  for (const way of [["A"], ["next"], ["end"], ["A", "A", "next", "end", "predict"]]) {
    const r = made();
    r.play("aa");
    r.act("A");
    assert.equal(r.path(), "AA");
    assert.ok(r.gate());
    r.commit(); // nothing chosen
    for (const name of way) r.act(name);
    assert.equal(r.path(), "AA");
    assert.equal(r.held._answers, undefined);
  }
  const r = made();
  r.play("aaa");
  assert.ok(!("truth" in r.gate()) && !("actual" in r.gate()));
  r.choose(CHOICES[2]);
  assert.equal(r.path(), "AA");
  r.commit();
  assert.equal(r.path(), "AAA");
  const [row] = r.held._answers;
  assert.deepEqual(
    [row.schedule, row.guard, row.writer, row.answer, row.actual, row.match],
    ["AAA", "expected version", "ada", "refused", "stored", false],
  );
  r.explain("because");
  assert.equal(r.held._answers[0].why, "because");
  r.act("back");
  r.act("A"); // it is known by now
  assert.equal(r.path(), "AAA");
});

test("an open gate is left without a trace, and keeps the schedule", () => {
  const r = made();
  r.play("aaa");
  assert.equal(r.leave(), true);
  assert.equal(r.gate(), null);
  assert.equal(r.path(), "AA");
  r.play("a");
  r.act("back");
  assert.equal(r.path(), "AA");
  assert.equal(r.leave(), false);
});

test("the guard runs the same schedule again, up to the first append not predicted", () => {
  const open = made({ predict: false, schedule: "ABABABB-" });
  open.act("guard");
  assert.equal(open.path(), "ABABAB");
  assert.equal(open.node().sold, 2);
  assert.equal(open.held.guard, false);
  const asked = made({ schedule: "ABABAB" });
  asked.act("guard");
  assert.equal(asked.path(), "ABAB");
  asked.act("next");
  assert.ok(asked.gate());
  asked.choose(CHOICES[0]);
  asked.commit();
  asked.act("next");
  asked.choose(CHOICES[2]);
  asked.commit();
  assert.equal(asked.node().sold, 2);
  assert.equal(asked.held._answers[1].actual, "too many");
  asked.act("guard");
  assert.equal(asked.path(), "ABABAB"); // Python had shown it
});

test("a conflict has three ways on", () => {
  const r = made({ predict: false, schedule: "ABABAB" });
  assert.equal(r.node().step, "conflict");
  r.act("next");
  assert.match(r.s.problem, /^Choose: read again/);
  r.play("bbb");
  assert.equal(r.node().step, "refuse");
  assert.equal(r.node().sold, 1);
  r.play(["back", "back", "back"]);
  r.take("B+");
  assert.equal(r.node().sold, 2);
  r.act("back");
  r.take("B-");
  assert.deepEqual(r.options(), []);
  r.act("A");
  assert.equal(r.s.problem, "Both are done.");
});

test("the table of schedules opens after a guess, and replays", () => {
  const r = made();
  assert.equal(r.opened(), false);
  r.replay("ABABAB");
  assert.equal(r.path(), "");
  r.guess("many");
  assert.equal(r.opened(), false);
  r.guess("6");
  assert.equal(r.opened(), true);
  assert.deepEqual([r.held._answers[0].answer, r.held._answers[0].actual], ["6", "18"]);
  r.replay("ABABAB");
  assert.equal(r.node().step, "conflict");
  r.act("start");
  r.act("end");
  assert.equal(r.path(), "ABABAB");
});

test("Python moves it, and an echo does not", () => {
  const r = made({ predict: false });
  r.play("ab");
  r.model.write("schedule", "AB");
  assert.equal(r.path(), "AB");
  r.model.write("schedule", "AABBAB");
  assert.equal(r.path(), "AABBAB");
  r.held.schedule = "AABBAB";
  r.model.write("guard", false);
  assert.equal(r.s.guard, false);
  assert.equal(r.node().sold, 2);
  const known = made({ _answers: [{ guard: "no check", schedule: "all 20" }] });
  assert.equal(known.opened(), true);
});
