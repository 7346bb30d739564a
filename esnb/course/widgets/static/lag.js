// The lag of a projection: write head, checkpoint, and what a reader sees. Python put the core in
// front of this file, and recorded what the real projection does; see esnb/course/widgets/lag.py. What is
// here counts seconds and positions, and plays recorded rows. It never applies an event.
import { action, clamp, next, plural } from "./core.js";
import {
  bar, button, choice, contentOf, draw, iconButton, keepDrawn, keyList, listenKeys, make, rover,
  speaker, suppress, widgetOf, write,
} from "./page.js";

// -- the run, without a page: tested with node against the real store and projector -----------------

/** The lag against the one some seconds ago; one event is noise. */
export function trendOf(behind, seconds) {
  const change = behind.at(-1) - behind[Math.max(0, behind.length - 1 - seconds)];
  return change > 1 ? "growing" : change < -1 ? "shrinking" : "steady";
}

/** Stalled: events wait, and for two seconds nothing moved. Slow: it moves, and does not gain. */
export function stateOf(behind, places, seconds) {
  if (behind.at(-1) === 0) return "caught up";
  if (behind.length > 2 && behind.at(-2) > 0 && places.at(-1) === places.at(-3)) return "stalled";
  return trendOf(behind, seconds) === "shrinking" ? "catching up" : "slow";
}

/** Every second from 0 to `upto`. `script` is [[second, action, value]], in order. `ranges` are the
 * events that the serving read model was given, in order, from exclusive, to inclusive. */
export function simulateDay(day, script, handler, upto) {
  const last = day.order.length - 1;
  const written = [0];
  let [writes, projects, paused, crashed, position, beside] =
    [day.writes, day.projects, false, false, 0, null];
  let ranges = [];
  const behind = [0];
  const places = [0];
  const ticks = [{ second: 0, head: 0, checkpoint: 0, events: 0, milliseconds: 0, trend: "steady",
    state: "caught up", paused, crashed, rebuild: null, ranges, writes, projects }];
  for (let second = 0; second < upto; second += 1) {
    let crash = false;
    for (const [when, what, value] of script) {
      if (when !== second) continue;
      if (what === "write") writes = value;
      else if (what === "project") projects = value;
      else if (what === "pause" || what === "resume") paused = what === "pause";
      else if (what === "restart") crashed = false;
      else if (what === "rebuild") beside = beside ?? 0;
      else if (what === "crash" && !crashed) crash = true;
    }
    const count = second < day.seconds ? day.counts[writes][second] : 0;
    for (let k = 0; k < count && written.length <= last; k += 1)
      written.push(second * 1000 + Math.floor((1000 * (k + 1)) / (count + 1)));
    const head = written.length - 1;
    if (!crashed) {
      const to = paused ? position : Math.min(head, position + projects);
      // A crash comes after the read model was written and before the position was. In one
      // transaction, neither is.
      if (to > position && !(crash && handler === "transaction")) ranges = [...ranges, [position, to]];
      if (!crash) position = to;
      crashed = crash;
    }
    if (beside !== null) {
      beside = Math.min(head, beside + projects * day.rebuild);
      if (beside === head) [position, ranges, beside, crashed] = [beside, [[0, beside]], null, false];
    }
    behind.push(head - position);
    places.push(position);
    ticks.push({ second: second + 1, head, checkpoint: position, events: head - position,
      milliseconds: head > position ? (second + 1) * 1000 - written[position + 1] : 0,
      trend: trendOf(behind, day.trend), state: stateOf(behind, places, day.trend), paused, crashed,
      rebuild: beside, ranges, writes, projects });
  }
  return { ticks, written };
}

/** Rows by order after a position, as they were recorded: [status, total, paid]. */
export function rowsAt(day, rows, position) {
  const found = new Map();
  for (let p = 1; p <= position; p += 1) found.set(day.order[p], rows[p]);
  return found;
}

/** What the read model holds. Where a handler adds, an event that comes again adds again. */
export function readerAt(day, tick, handler) {
  if (handler !== "adds") return rowsAt(day, day.rows, Math.max(0, ...tick.ranges.map((r) => r[1])));
  const found = new Map();
  for (const [from, to] of tick.ranges)
    for (let p = from + 1; p <= to; p += 1) {
      const [was, total, paid] = found.get(day.order[p]) ?? ["", 0, 0];
      const [status, moreTotal, morePaid] = day.effects[p];
      found.set(day.order[p], [status || was, total + moreTotal, paid + morePaid]);
    }
  return found;
}
export const truthAt = (day, tick) => rowsAt(day, day.truth, tick.head);

export function cents(amount) {
  const whole = Math.abs(amount);
  return `${amount < 0 ? "-" : ""}${Math.floor(whole / 100)}.${String(whole % 100).padStart(2, "0")}`;
}
const wordsOf = (row) => (row && (row[0] === "PENDING" || row[0] === "PAID")
  ? `${row[0]} ${cents(row[2])} of ${cents(row[1])}` : "");
const signOf = (seen, truth) => (seen === truth ? "" : !seen ? "+" : !truth ? "-" : "~");

/** Reader against truth: Bob's order, some that differ (one of each sign at least), the newest
 * where few differ, and what was paid in all. */
export function comparedRows(day, reader, truth) {
  const bob = day.orders[day.bob];
  const number = (row) => Number(row[0].split("-")[1]);
  const all = [...truth.keys()].map((order) => {
    const [seen, real] = [wordsOf(reader.get(order)), wordsOf(truth.get(order))];
    return [day.orders[order], seen, real, signOf(seen, real)];
  }).sort((a, b) => number(a) - number(b));
  all.sort((a, b) => (b[0] === bob) - (a[0] === bob));
  const others = all.filter((row) => row[0] !== bob);
  const differ = others.filter((row) => row[3]);
  const firsts = ["+", "~", "-"].map((sign) => differ.find((row) => row[3] === sign)).filter(Boolean);
  const same = others.filter((row) => row[2] && !row[3]).reverse();
  const chosen = [...new Set([...all.filter((row) => row[0] === bob), ...firsts, ...differ, ...same])]
    .slice(0, day.shown);
  const sum = (side) => cents([...side.values()].reduce((total, row) => total + row[2], 0));
  return { rows: all.filter((row) => chosen.includes(row)).concat([
    ["paid in all orders", sum(reader), sum(truth), signOf(sum(reader), sum(truth))]]),
  more: differ.filter((row) => !chosen.includes(row)).length };
}

/** What Bob sees who refreshes at a second; while he waits for his position, time goes on. */
export function bobSees(day, script, handler, second, policy) {
  const until = script.filter((step) => step[0] < second);
  const { ticks } = simulateDay(day, until, handler, second + day.timeout);
  if (policy === "stream") return { text: truthAt(day, ticks[second]).get(day.bob)?.[0] ?? NO_ORDER, waited: 0 };
  let waited = 0;
  if (policy === "wait") {
    while (waited < day.timeout && ticks[second + waited].checkpoint < day.token) waited += 1;
    if (ticks[second + waited].checkpoint < day.token) return { text: "a timeout", waited };
  }
  const status = readerAt(day, ticks[second + waited], handler).get(day.bob)?.[0] ?? NO_ORDER;
  return { text: waited ? `${status}, after a wait` : status, waited };
}
const NO_ORDER = "no such order";

/** The script after doing something now: what was done later is forgotten. */
export function doNow(script, second, what, value = null) {
  const same = { resume: "pause", pause: "pause", crash: "crash", restart: "crash" };
  const kind = (name) => same[name] ?? name;
  return [...script.filter((s) => s[0] < second || (s[0] === second && kind(s[1]) !== kind(what))),
    [second, what, value]];
}

// -- words ------------------------------------------------------------------------------------------

let counter = 0;
const SIGNS = { "": "same", "+": "+ added", "~": "~ changed", "-": "− removed" };
const CLASSES = { "": "", "+": "w-added", "~": "w-changed", "-": "w-removed" };
const ARROWS = { growing: "↑ growing", steady: "→ steady", shrinking: "↓ shrinking" };
const STATES = {
  "caught up": "✓ caught up", "catching up": "↗ catching up", slow: "… slow", stalled: "■ stalled",
};
const HANDLERS = {
  transaction: "in one transaction", idempotent: "apart, handler idempotent",
  adds: "apart, handler adds",
};
const POLICIES = { "as is": "as is", wait: "wait for my position", stream: "read the stream" };
const DONE = { pause: "pause", resume: "resume", crash: "crash", restart: "restart", rebuild: "rebuild",
  write: "writes", project: "projection" };
const KEYS = [
  ["← →", "one second"], ["Page Up, Page Down", "10 seconds; in projector mode the stops"],
  ["Home, End", "begin and end of the day"], ["Space", "play or stop playing"],
  ["Shift + ← →", "previous or next stop: rush, payment, what was done"],
  ["p", "predict what Bob sees, commit, go on"], ["↑ ↓", "along the buttons of a group"],
  ["?", "this list"], ["Esc", "leave; twice: back to the notebook"],
];
const OPTIONS = [NO_ORDER, "PENDING", "PAID", "PAID, after a wait", "a timeout"];
const STEP = 500; // milliseconds a second while playing
const SETTLED = 120;

// -- the clock: what is shown, for all views of one model ---------------------------------------------

function makeClock(model) {
  const day = contentOf(model);
  const s = {
    at: model.get("at") ?? 0, script: (model.get("script") ?? []).map((step) => [...step]),
    handler: model.get("handler"), policy: model.get("policy"), guide: model.get("guide"),
    projector: Boolean(model.get("projector")), answers: [...(model.get("_answers") ?? [])],
    playing: false, quiz: null, keys: false, spoken: "",
  };
  const { emit, listen } = speaker();
  let run = null;
  let timer = null;
  let settling = null;
  let sent = s.at;
  const save = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  function again() {
    run = simulateDay(day, s.script, s.handler, day.seconds);
  }
  const tick = () => run.ticks[s.at];
  const pays = () => run.ticks.find((t) => t.head >= day.token)?.second ?? day.seconds + 1;
  const asks = () => s.guide !== "off" && !s.answers.length;
  /** Bob's row is not shown before somebody said what it will be. */
  const hidden = () => asks() && s.at >= pays();
  const told = () => s.guide === "off" || s.answers.some((row) => row.policy === s.policy);
  const stops = () => [...new Set([...day.rush, pays(), ...s.script.map((step) => step[0])])]
    .filter((second) => second <= day.seconds).sort((a, b) => a - b);

  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      if (!s.playing) s.spoken = speech();
      if (sent !== s.at) {
        sent = s.at;
        save("at", s.at);
      }
      emit();
    }, SETTLED);
  }
  function speech() {
    const t = tick();
    const gap = t.events ? `${plural(t.events, "event")} and ${(t.milliseconds / 1000).toFixed(1)} seconds behind, ${t.trend}` : "nothing waits";
    return `second ${s.at}: ${t.state}, ${gap}. ${s.quiz && !s.quiz.committed ? "Bob has paid, and refreshes: predict what he sees." : ""}`.trim();
  }
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
  function play(on) {
    clearTimeout(timer);
    s.playing = on && (s.at < day.seconds) && !s.quiz;
    if (s.playing) timer = setTimeout(forth, still() ? 1000 : STEP);
    else settle();
    emit();
  }
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  function forth() {
    if (!s.playing) return;
    move(s.at + 1);
    play(!(s.quiz || s.at >= day.seconds || stops().includes(s.at)));
  }

  // What the operator does.
  function operate(what, value = null) {
    if (s.at >= day.seconds) return;
    const rate = { write: "writes", project: "projects" }[what];
    if (rate && tick()[rate] === value && !s.script.some((t) => t[0] === s.at && t[1] === what)) return;
    s.script = doNow(s.script, s.at, what, value);
    again();
    save("script", s.script);
    // Of a crash and its cure one sees something a second later only.
    if (["crash", "restart", "rebuild"].includes(what)) move(s.at + 1);
    else move(s.at);
  }
  function clear() {
    s.script = [];
    again();
    save("script", []);
    move(s.at);
  }

  // Predict, then reveal.
  function ask() {
    if (s.at < pays()) return;
    s.playing = false;
    s.keys = false;
    s.quiz = { second: s.at, policy: s.policy, answer: null, committed: false, why: "" };
    emit();
  }
  function choose(answer) {
    if (!s.quiz || s.quiz.committed) return;
    s.quiz.answer = answer;
    emit();
  }
  function commit() {
    if (!s.quiz?.answer || s.quiz.committed) return;
    const { text, waited } = bobSees(day, s.script, s.handler, s.at, s.policy);
    s.quiz = { ...s.quiz, committed: true, actual: text, waited, second: s.at, policy: s.policy };
    s.quiz.row = { second: s.at, policy: s.policy, question: "Bob pays, then refreshes: what does he see?",
      answer: s.quiz.answer, actual: text, match: text === s.quiz.answer, why: "" };
    s.answers = [...s.answers, s.quiz.row];
    save("_answers", s.answers);
    s.spoken = `You said ${s.quiz.answer}. He sees ${text}.`;
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
  function leave() {
    if (s.quiz) s.quiz.committed ? goOn() : (s.quiz = null);
    else if (s.keys) s.keys = false;
    else return false;
    emit();
    return true;
  }
  const ACTIONS = {
    back: () => move(s.at - 1), next: () => move(s.at + 1), "back-10": () => move(s.at - 10),
    "next-10": () => move(s.at + 10), start: () => move(0), end: () => move(day.seconds),
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
  function act(name) {
    if (s.playing && name !== "play") play(false);
    ACTIONS[name]?.();
  }
  function setTo(name, value) {
    s[name] = value;
    save(name, value);
    if (name === "handler") again();
    if (s.quiz?.committed && name === "policy") s.quiz = null;
    move(s.at);
  }

  model.on("change:at", () => {
    const at = model.get("at");
    if (at === sent || at === s.at) return;
    sent = at;
    move(at);
  });
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
  again();
  if (hidden()) ask();
  return {
    day, s, tick, pays, hidden, told, stops, act, move, operate, clear, choose, commit, goOn, leave, setTo,
    run: () => run, emit, listen,
    stop: () => {
      clearTimeout(timer);
      clearTimeout(settling);
    },
  };
}

// -- one view ---------------------------------------------------------------------------------------

function view(clock, el) {
  const { day, s } = clock;
  const id = `lag${(counter += 1)}`;
  const parts = {};
  const named = (name, label, onclick, extra = {}, icons = null) => {
    parts[name] = icons ? iconButton(label, onclick, icons, extra) : button(label, onclick, extra);
    return parts[name];
  };
  const toggle = (name, label, onclick) => named(name, label, onclick, { "aria-pressed": "false" });
  const does = (name) => () => clock.act(name);

  const transport = bar("move",
    named("start", "begin of the day (Home)", does("start"), {}, ["start"]),
    named("back", "one second back (left arrow)", does("back"), {}, ["back"]),
    named("play", "play (Space)", does("play"), { "aria-pressed": "false", class: "w-play" }, ["play", "pause"]),
    named("next", "one second on (right arrow)", does("next"), {}, ["next"]),
    named("end", "end of the day (End)", does("end"), {}, ["end"]));
  const options = bar("options", named("predict", "predict p", does("predict")),
    toggle("projector", "projector", () => clock.setTo("projector", !s.projector)),
    toggle("keys", "keys ?", does("keys")));
  parts.count = make("div", { class: "w-count", "aria-hidden": "true" });
  const top = make("div", { class: "lg-top" },
    make("strong", { class: "w-title" }, "Projection lag"), transport, options, parts.count);

  parts.svg = draw("svg", { class: "lg-chart", role: "img" });
  parts.range = make("input", { type: "range", min: 0, max: day.seconds, step: 1, ...suppress,
    class: "lg-range", "aria-label": "second of the day" });
  parts.range.addEventListener("input", () => clock.move(Number(parts.range.value)));
  parts.state = make("strong", { class: "lg-state" });
  parts.gap = make("span", { class: "lg-gap" });
  parts.why = make("span", { class: "w-soft" });
  const status = make("p", { class: "lg-status" }, parts.state, parts.gap, parts.why);

  // Controls. A group of radio buttons is one stop of the tab key, and so is a toolbar.
  const radios = (name, title, choices, onpick) => {
    const group = make("fieldset", { class: `lg-radios lg-${name}` }, make("legend", {}, title));
    parts[name] = new Map();
    for (const [value, text] of choices) {
      const made = choice(`${id}-${name}`, text, () => onpick(value));
      parts[name].set(value, made.querySelector("input"));
      group.append(made);
    }
    return group;
  };
  const rate = (n) => [n, String(n)];
  const operator = bar("projection",
    toggle("pause", "pause projection", () => clock.operate(
      clock.tick().paused !== pending() ? "resume" : "pause")),
    named("crash", "crash", () => clock.operate(clock.tick().crashed ? "restart" : "crash")),
    named("rebuild", "rebuild from 0", () => clock.operate("rebuild")),
    named("clear", "undo all", () => clock.clear()));
  /** Whether a pause or its end was asked for in this second, and will count from the next on. */
  function pending() {
    const step = s.script.find((t) => t[0] === s.at && (t[1] === "pause" || t[1] === "resume"));
    return step ? (step[1] === "pause") !== clock.tick().paused : false;
  }
  const controls = make("div", { class: "lg-controls" },
    radios("write", "writes / s", day.write_rates.map(rate), (n) => clock.operate("write", n)),
    radios("project", "projection / s", day.project_rates.map(rate), (n) => clock.operate("project", n)),
    operator,
    radios("handler", "read model and position", Object.entries(HANDLERS), (name) => clock.setTo("handler", name)));
  const policy = radios("policy", "Bob's page reads", Object.entries(POLICIES), (name) =>
    clock.setTo("policy", name));

  parts.panel = make("section", { class: "w-panel", "aria-label": "question and help" });
  parts.columns = ["order", "", "", "change"].map((text) => make("th", { scope: "col" }, text));
  parts.body = make("tbody");
  parts.more = make("p", { class: "w-soft" });
  parts.bob = make("p", { class: "lg-bob" });
  const table = make("table", {}, make("caption", {}, day.caption),
    make("thead", {}, make("tr", {}, ...parts.columns)), parts.body);
  parts.code = make("code");
  const read = make("div", { class: "lg-read" }, policy, parts.bob, make("p", { class: "w-code" }, parts.code));
  const cards = make("div", { class: "lg-cards" }, make("div", { class: "lg-card" }, table, parts.more),
    read);
  parts.live = make("div", { class: "w-live", role: "status", "aria-live": "polite" });
  const root = make("section", { class: "esnb-lag", tabindex: "-1", ...suppress, "aria-label": "projection lag" },
    top, make("div", { class: "lg-plot" }, parts.svg, parts.range), status, controls, parts.panel, cards,
    parts.live);
  el.append(root);

  // -- keys --
  const groups = rover([transport, operator, options]);
  listenKeys(root, groups, {
    action: (key, shift) => action(key, { shift, projector: s.projector }), act: clock.act,
    leave: clock.leave, upDown: (steps) => clock.act(steps > 0 ? "back" : "next"),
  });

  // -- drawing --
  const text = (x, y, words, extra = {}) => draw("text", { x, y, ...extra }, words);
  function plot() {
    const { ticks, written } = clock.run();
    const now = clock.tick();
    const big = s.projector ? 1.5 : 1;
    const width = Math.max(320, parts.svg.clientWidth || 900);
    const height = !s.projector ? 290 : s.quiz || s.keys ? 330 : 250;
    const [left, right, low, high] = [48 * big, 128 * big, height - 26 * big, 8];
    const top_ = Math.ceil(Math.max(50, ticks.at(-1).head) / 50) * 50;
    const x = (second) => left + ((width - left - right) * second) / day.seconds;
    const y = (position) => low - ((low - high) * position) / top_;
    parts.range.style.marginLeft = `${left - 8}px`;
    parts.range.style.width = `${width - left - right + 16}px`;
    const seen = ticks.slice(0, s.at + 1);
    const line = (name) => seen.map((t, k) => `${k ? "L" : "M"}${x(t.second)} ${y(t[name])}`).join("");
    const back = [...seen].reverse().map((t) => `L${x(t.second)} ${y(t.checkpoint)}`).join("");
    const out = [draw("defs", {}, draw("pattern", { id: `${id}-hatch`, width: 7, height: 7,
      patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    draw("line", { x1: 0, x2: 0, y1: 0, y2: 7, class: "lg-hatch" })))];
    out.push(draw("rect", { x: x(day.rush[0]), width: x(day.rush[1]) - x(day.rush[0]), y: high, height: low - high,
      class: "lg-rush" }), text(x(day.rush[0]) + 4, high + 13 * big, "lunch rush: twice the writes", { class: "lg-small" }));
    const every = top_ > 150 ? 100 : 50;
    for (let p = 0; p <= top_; p += every)
      out.push(draw("line", { x1: left, x2: width - right, y1: y(p), y2: y(p), class: "lg-grid" }),
        text(left - 6, y(p) + 4, String(p), { class: "lg-small", "text-anchor": "end" }));
    for (let second = 0; second <= day.seconds; second += 15)
      out.push(text(x(second), low + 17 * big, `${second} s`, { class: "lg-small", "text-anchor": "middle" }));
    out.push(draw("path", { d: `${line("head")}${back}Z`, fill: `url(#${id}-hatch)`, class: "lg-behind" }),
      draw("path", { d: line("checkpoint"), class: "lg-checkpoint" }),
      draw("path", { d: line("head"), class: "lg-head" }));
    const beside = seen.filter((t) => t.rebuild !== null);
    for (const t of beside) {
      const first = ticks[t.second - 1].rebuild === null;
      const after = ticks[t.second + 1];
      const end = after && after.rebuild === null && after.second <= s.at
        ? `L${x(after.second)} ${y(after.checkpoint)}` : "";
      out.push(draw("path", { class: "lg-beside", d: `M${x(t.second - 1)} ${y(first ? 0 : ticks[t.second - 1].rebuild)}L${
        x(t.second)} ${y(t.rebuild)}${end}` }));
    }
    // What was done, on the line of time.
    let level = 0;
    let lastSecond = -9;
    for (const [second, what, value] of s.script) {
      if (second > s.at) continue;
      level = second - lastSecond < 6 ? level + 1 : 0;
      lastSecond = second;
      out.push(draw("line", { x1: x(second), x2: x(second), y1: y(ticks[second].checkpoint), y2: low, class: "lg-done" }),
        text(x(second) + 3, low - 4 - (level % 3) * 14 * big, `${DONE[what]}${value === null ? "" : ` ${value}`}`, { class: "lg-small lg-halo" }));
    }
    // Bob's payment on the write head, and where the readers get to see it.
    if (now.head >= day.token) {
      const bx = x(written[day.token] / 1000);
      const by = y(day.token);
      const passed = seen.find((t) => t.checkpoint >= day.token);
      if (!clock.hidden())
        out.push(draw("line", { x1: bx, x2: passed ? x(passed.second) : x(s.at), y1: by, y2: by, class: "lg-bobline" }));
      out.push(draw("path", { d: `M${bx} ${by - 9}l9 9l-9 9l-9 -9z`, class: "lg-paid" }),
        text(bx - 12, by - 4, "Bob pays", { class: "lg-small lg-halo", "text-anchor": "end" }));
    }
    // The lag now: up in events, across in seconds.
    const nx = x(s.at);
    out.push(draw("line", { x1: nx, x2: nx, y1: high, y2: low, class: "lg-now" }));
    const tight = y(now.checkpoint) - y(now.head) < 34 * big;
    const lower = Math.min(low - 2, y(now.checkpoint) + (tight ? 16 * big : 5));
    const upper = Math.max(high + 6, Math.min(y(now.head) - (tight ? 4 : 0), lower - 17 * big));
    out.push(text(nx + 12, upper, `write head ${now.head}`, { class: "lg-label lg-halo" }),
      text(nx + 12, lower, `checkpoint ${now.checkpoint}`, { class: "lg-label lg-halo" }));
    if (now.events) {
      const from = x(written[now.checkpoint + 1] / 1000);
      out.push(draw("path", { class: "lg-bracket", d: `M${nx + 2} ${y(now.head)}h6V${y(now.checkpoint)}h-6` }),
        draw("path", { class: "lg-bracket", d: `M${from} ${y(now.checkpoint) - 6}v12m0 -6H${nx}` }));
      if (!tight) out.push(text(nx + 14, (y(now.head) + y(now.checkpoint)) / 2 + 4, plural(now.events, "event"), { class: "lg-small lg-halo" }));
      if (nx - from > 30) out.push(text((from + nx) / 2, y(now.checkpoint) + (tight ? 17 * big : -7), seconds(now), { class: "lg-small lg-halo", "text-anchor": "middle" }));
    }
    parts.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    parts.svg.style.height = `${height}px`;
    parts.svg.setAttribute("aria-label", `position over time: write head ${now.head}, checkpoint ${now.checkpoint}; the gap is the lag`);
    parts.svg.replaceChildren(...out);
  }
  const seconds = (t) => `${(t.milliseconds / 1000).toFixed(1)} s`;

  function why(t) {
    if (t.state === "stalled") return t.crashed ? "the checkpoint does not move: the process is gone"
      : t.paused ? "the checkpoint does not move: paused" : "the checkpoint does not move";
    if (t.crashed) return "crashed: the read model still answers";
    if (t.rebuild !== null) return `rebuild at ${t.rebuild}; meanwhile the old read model serves`;
    if (t.paused) return "paused: the read model still answers";
    if (!t.events) return "the read model has every event";
    const from = clock.run().ticks[Math.max(0, s.at - day.trend)];
    const span_ = Math.max(1, s.at - from.second);
    const per = (a, b) => ((a - b) / span_).toFixed(1);
    return `in ${per(t.head, from.head)} / s, out ${per(t.checkpoint, from.checkpoint)} / s`;
  }

  let panelShown = "";
  function update() {
    const t = clock.tick();
    const paused = pending() ? !t.paused : t.paused;
    const atEnd = s.at >= day.seconds;
    const quizOpen = Boolean(s.quiz) && !s.quiz.committed;
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("lg-asking", Boolean(s.quiz) || s.keys);
    write(parts.count, `${s.at} / ${day.seconds} s`);
    parts.range.value = s.at;
    parts.range.setAttribute("aria-valuetext", `second ${s.at} of ${day.seconds}, ${plural(t.events, "event")} behind, ${t.state}`);
    parts.play.classList.toggle("w-on", s.playing);
    for (const [name, on] of [["play", s.playing], ["projector", s.projector], ["keys", s.keys], ["pause", paused]])
      parts[name].setAttribute("aria-pressed", String(on));
    write(parts.crash, t.crashed ? "restart" : "crash");
    const off = { start: s.at === 0, back: s.at === 0, next: atEnd, end: atEnd, predict: s.at < clock.pays(),
      pause: atEnd || t.crashed, crash: atEnd || quizOpen, rebuild: atEnd || quizOpen || t.rebuild !== null, clear: !s.script.length };
    for (const [name, disabled] of Object.entries(off)) parts[name].disabled = disabled;
    groups.all();
    const later = (what, now) => s.script.find((step) => step[0] === s.at && step[1] === what)?.[2] ?? now;
    for (const [name, value] of [["write", later("write", t.writes)], ["project", later("project", t.projects)],
      ["handler", s.handler], ["policy", s.policy]])
      for (const [key, input] of parts[name]) {
        input.checked = key === value;
        input.disabled = atEnd && (name === "write" || name === "project");
      }
    write(parts.state, STATES[t.state]);
    parts.state.dataset.state = t.state;
    write(parts.gap, t.events ? `${plural(t.events, "event")} and ${seconds(t)} behind, ${ARROWS[t.trend]}` : "0 events, 0.0 s behind");
    write(parts.why, why(t));
    plot();
    rows(t);
    bob();
    write(parts.code, day.code[s.policy]);
    panel();
    write(parts.live, s.spoken);
  }
  function rows(t) {
    const hidden = clock.hidden();
    const found = comparedRows(day, readerAt(day, t, s.handler), truthAt(day, t));
    write(parts.columns[1], `a reader sees (at ${t.checkpoint})`);
    write(parts.columns[2], `truth (at ${t.head})`);
    parts.body.replaceChildren(...found.rows.map(([name, seen, real, sign]) => {
      const secret = hidden && name === day.orders[day.bob];
      return make("tr", { class: secret ? "" : CLASSES[sign] }, make("th", { scope: "row" }, name === day.orders[day.bob] ? `${name} (Bob)` : name),
        make("td", {}, secret ? "? predict first" : seen || "not on the page"), make("td", {}, real || "not on the page"),
        make("td", {}, secret ? "?" : SIGNS[sign]));
    }));
    write(parts.more, found.more ? `and ${plural(found.more, "order")} more that ${found.more === 1 ? "differs" : "differ"}` : "");
    parts.more.hidden = !found.more;
  }
  function bob() {
    if (s.at < clock.pays()) return write(parts.bob, "Bob has not paid yet.");
    if (!clock.told()) return write(parts.bob, "Bob refreshes now: predict what he sees (p).");
    const { text: seen, waited } = bobSees(day, s.script, s.handler, s.at, s.policy);
    write(parts.bob, seen === "a timeout"
      ? `Bob refreshes now: after ${day.timeout} s he gets LagTimeoutError.`
      : waited ? `Bob refreshes now: he waits ${waited} s, then sees ${seen.split(",")[0]}.`
        : `Bob refreshes now: he sees ${seen} at once.`);
  }
  function panel() {
    const key = s.keys ? "keys" : s.quiz ? `${s.quiz.committed}${s.policy}${s.at}` : "";
    parts.panel.hidden = !key;
    if (s.quiz && parts.commit) parts.commit.disabled = !s.quiz.answer || s.quiz.committed;
    if (key === panelShown) return;
    panelShown = key;
    const had = parts.panel.contains(document.activeElement);
    parts.panel.replaceChildren(...(s.keys ? keysPanel() : s.quiz ? quizPanel() : []));
    if (s.quiz && !s.quiz.committed) parts.commit.disabled = !s.quiz.answer;
    if (had && s.quiz?.committed) parts.goOn.focus();
    else if (had && !key) parts.range.focus();
  }
  const keysPanel = () => [keyList(KEYS)];
  function quizPanel() {
    const q = s.quiz;
    if (!q.committed) {
      const group = make("fieldset", {}, make("legend", {}, `Bob has paid (position ${day.token}), and refreshes his page, which reads “${POLICIES[s.policy]}”. What does he see?`));
      const list = make("div", { class: "lg-answers" });
      list.append(...OPTIONS.map((option) =>
        choice(`${id}-answer`, option, () => clock.choose(option), q.answer === option)));
      group.append(list);
      return [group, make("div", { class: "w-bar" }, named("commit", "commit (p)", () => clock.commit()))];
    }
    const box = make("textarea", { rows: 1, ...suppress, "aria-label": "why?", placeholder: "Why?" });
    box.value = q.why;
    box.addEventListener("input", () => {
      q.why = box.value;
    });
    const match = q.answer === q.actual;
    return [make("p", {}, "your answer: ", make("strong", {}, q.answer), " · he sees: ", make("strong", {}, q.actual),
      match ? " · ✓ match" : " · ≠ different"), make("p", { class: "w-soft" }, explain(q)),
    make("div", { class: "w-bar lg-whybar" }, box, named("goOn", "go on (p)", () => clock.goOn()))];
  }
  function explain(q) {
    const t = clock.run().ticks[q.second];
    if (q.policy === "stream") return "The stream is the truth: his own events are in it once they are stored.";
    if (q.actual === "a timeout") return `The checkpoint does not reach ${day.token} within ${day.timeout} s. The wait fails loudly, and the page can read the stream.`;
    if (q.waited) return `His page held the position of his payment, ${day.token}, and waited ${q.waited} s for the checkpoint.`;
    if (t.checkpoint >= day.token) return `The checkpoint is at ${t.checkpoint}: his payment, ${day.token}, is in the read model.`;
    return `The payment is position ${day.token} of the log. The read model is at ${t.checkpoint}, ${seconds(t)} behind. Nothing is lost; the page is early.`;
  }

  return keepDrawn(clock.listen, update, parts.svg);
}

const widget = widgetOf(makeClock, view);
export default widget;
