// The view of Race: who moves next. Every step was really taken by the store, in Python, and came
// with the page; here is only what the reader chose. Python puts core.js in front of this file.
import { plural } from "./core.js";
import {
  bar, button, choice, contentOf, copy, cross, keepDrawn, keyList, listenKeys, make, rover, speaker,
  suppress, symbol, widgetOf, write,
} from "./page.js";

const TRIES = ["append", "write", "conflict", "raise", "again"];
const CHECK = { on: "expected version", off: "no check" };
const ALL = "all 20";
const RACE_KEYS = [
  ["a, b", "the next step of the first or the second writer"],
  ["←", "take the last step back: the rest is run again on a new store"],
  ["→", "the next step of the chosen schedule"],
  ["Home, End", "before the first step, to the end of the schedule"],
  ["Page Up, Page Down", "the same; in projector mode one step"],
  ["g", "guard on or off, the same schedule again"], ["p", "commit the prediction, then go on"],
  ["s", "all 20 schedules"], ["↑ ↓", "along the buttons of a group"], ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];

// -- the pure part: no page, no kernel ----------------------------------------------------------

/** A schedule in its moves: "ABB-" is A, B, B-. */
export const movesOf = (schedule) => schedule.match(/[A-Z][-+!=]?/g) ?? [];

/** What a key means; null where it means nothing. */
export function raceAction(key, projector = false) {
  if (key === "PageUp") return projector ? "back" : "start";
  if (key === "PageDown") return projector ? "next" : "end";
  return {
    ArrowLeft: "back", ArrowRight: "next", Home: "start", End: "end", a: "A", b: "B", g: "guard",
    p: "predict", s: "schedules", "?": "keys", Escape: "leave",
  }[key.length === 1 ? key.toLowerCase() : key] ?? null;
}

/** The race of one model: what is chosen, predicted and shown; any number of views listen. */
export function makeRace(model) {
  const payload = contentOf(model);
  const s = {
    plan: movesOf(model.get("schedule") ?? ""), at: 0, guard: model.get("guard") ?? true,
    predict: model.get("predict") ?? true, projector: Boolean(model.get("projector")),
    answers: [...(model.get("_answers") ?? [])], gate: null, result: null, panel: null,
    problem: "",
  };
  const seen = new Set(s.answers.map((row) => `${row.guard}:${row.schedule}`));
  const { emit, listen } = speaker();
  let sent = s.plan.join("");

  const mode = () => (s.guard ? "on" : "off");
  const path = (n = s.at) => s.plan.slice(0, n).join("");
  const node = (where = path(), key = mode()) => payload.guards[key][where];
  const options = () => node().next;
  const trouble = () => node().trouble;
  const mark = (schedule) => `${CHECK[mode()]}:${schedule}`;
  const shown = (name) => name[0].toUpperCase() + name.slice(1);
  /** Whether a move is a try to write that the reader has not said anything about yet. */
  const asks = (where) => s.predict && TRIES.includes(node(where).step) && !seen.has(mark(where));

  /** What was shown needs no prediction any more: a schedule from Python, or from the table. */
  function show() {
    for (let n = 1; n <= s.plan.length; n += 1) seen.add(mark(path(n)));
    s.at = s.plan.length;
  }
  show();

  function save() {
    model.set("schedule", path());
    model.set("guard", s.guard);
    sent = path();
    model.save_changes();
  }
  function saveAnswers() {
    model.set("_answers", [...s.answers]);
    model.save_changes();
  }
  function arrive(at) {
    s.at = at;
    s.gate = null;
    save();
    emit();
  }

  /** One step of a writer, by its move. A try to write opens the gate instead. */
  function take(move) {
    s.problem = "";
    if (s.gate) {
      s.problem = "Predict first, then it is shown.";
      return emit();
    }
    if (![...options(), ...trouble()].some(([name]) => name === move)) {
      s.problem = options().length ? "This writer has nothing left to do." : "Both are done.";
      return emit();
    }
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
    if (s.at < s.plan.length) take(s.plan[s.at]);
    else if (moves.length === 1) take(moves[0][0]);
    else {
      s.problem = !moves.length ? "Both are done. Take a step back, or start again."
        : node().step === "conflict" ? "Choose: read again, raise the number only, or give up."
          : "Choose who moves: a or b.";
      emit();
    }
  }
  function back() {
    s.problem = "";
    s.result = null;
    if (s.gate) {
      s.gate = null;
      return emit();
    }
    return s.at ? arrive(s.at - 1) : emit();
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

  // Predict, then reveal.
  function truth(where) {
    const to = node(where);
    const [stored, oversold, refused] = payload.choices;
    return to.step === "conflict" ? refused : to.duplicate ? payload.already : to.sold > payload.pieces ? oversold : stored;
  }
  function gate() {
    if (!s.gate) return null;
    const moved = node(path() + s.gate.move);
    const again = moved.step === "again";
    const how = again ? "second try with the same event" : moved.step === "raise" ? "append with the number raised"
      : s.guard ? `append at expected version ${moved.expected}` : "append without a check";
    return { question: `What will ${shown(moved.who)}'s ${how} do?`, choices: again ? [...payload.choices, payload.already] : payload.choices,
      given: s.gate.given, who: moved.who, code: moved.code };
  }
  function choose(answer) {
    if (!s.gate) return;
    s.gate.given = answer;
    emit();
  }
  function record(row) {
    s.answers = [...s.answers, row];
    seen.add(`${row.guard}:${row.schedule}`);
    saveAnswers();
    return row;
  }
  function commit() {
    if (!s.gate?.given) return;
    const { move, given } = s.gate;
    const where = path() + move;
    const { question, who } = gate();
    const row = record({ schedule: where, guard: CHECK[mode()], writer: who, question,
      answer: given, actual: truth(where), match: given === truth(where), why: "" });
    s.gate = null;
    take(move);
    s.result = row;
    emit();
  }
  function explain(why) {
    if (!s.result) return;
    const row = { ...s.result, why };
    s.answers = s.answers.map((old) => (old === s.result ? row : old));
    s.result = row;
    saveAnswers();
  }
  function goOn() {
    s.result = null;
    emit();
  }

  // All schedules.
  const opened = () => !s.predict || seen.has(mark(ALL)) || seen.has(`${CHECK[s.guard ? "off" : "on"]}:${ALL}`);
  const countQuestion = () => (s.guard ? "How many of the 20 schedules meet a conflict?"
    : "In how many of the 20 schedules is too much sold?");
  function guess(text) {
    const given = text.trim();
    if (!/^\d+$/.test(given) || Number(given) > payload.schedules.length) {
      s.problem = `A number from 0 to ${payload.schedules.length}.`;
      return emit();
    }
    s.problem = "";
    const wanted = s.guard ? "conflict" : "oversold";
    const actual = payload.schedules.filter((row) => row[s.guard ? 1 : 2] === wanted).length;
    s.result = record({ schedule: ALL, guard: CHECK[mode()], writer: "", question: countQuestion(),
      answer: given, actual: String(actual), match: Number(given) === actual, why: "" });
    return emit();
  }
  /** Show a schedule of the table, to its end: the table has told how it ends. */
  function replay(schedule) {
    if (!opened()) return;
    s.plan = movesOf(schedule);
    s.result = null;
    s.problem = "";
    show();
    arrive(s.at);
  }

  /** The same schedule with the other guard, up to the first try that was not predicted yet. */
  function guard() {
    s.guard = !s.guard;
    s.result = null;
    s.problem = "";
    while (!node(path(s.plan.length))) s.plan = s.plan.slice(0, -1);
    let to = 0;
    const until = Math.min(s.at, s.plan.length);
    while (to < until && !asks(path(to + 1))) to += 1;
    if (to < until) s.problem = "The same order again, up to the next append. The right arrow goes on.";
    arrive(to);
  }

  function toggle(panel) {
    s.panel = s.panel === panel ? null : panel;
    s.gate = null;
    s.problem = "";
    emit();
  }
  /** Leave what is open, the newest first; false when nothing was. */
  function leave() {
    s.problem = "";
    if (s.gate) s.gate = null;
    else if (s.result) s.result = null;
    else if (s.panel) s.panel = null;
    else return false;
    emit();
    return true;
  }
  const ACTIONS = {
    back, next, start, end, guard, A: () => take("A"), B: () => take("B"),
    predict: () => (s.gate ? commit() : s.result ? goOn() : next()),
    schedules: () => toggle("schedules"), keys: () => toggle("keys"),
  };

  model.on("change:schedule", () => {
    const schedule = model.get("schedule");
    if (schedule === sent || schedule === path()) return;
    s.plan = movesOf(schedule);
    s.guard = model.get("guard");
    show();
    sent = schedule;
    s.gate = null;
    s.result = null;
    emit();
  });
  model.on("change:guard", () => {
    if (model.get("guard") === s.guard) return;
    s.guard = model.get("guard");
    s.plan = movesOf(model.get("schedule"));
    while (!node(path(s.plan.length))) s.plan = s.plan.slice(0, -1);
    show();
    s.gate = null;
    emit();
  });
  for (const name of ["predict", "projector"])
    model.on(`change:${name}`, () => {
      s[name] = model.get(name);
      emit();
    });

  return {
    payload, s, node, path, options, trouble, gate, choose, commit, explain, goOn, guess, replay, opened,
    countQuestion, toggle, leave, take, shown, mode, emit,
    act: (name) => ACTIONS[name]?.(),
    setProjector: (on) => {
      s.projector = on;
      model.set("projector", on);
      model.save_changes();
      emit();
    },
    listen,
  };
}

// -- one view -------------------------------------------------------------------------------------

let views = 0;

function raceView(race, el) {
  const { payload, s } = race;
  const id = `rc${(views += 1)}`;
  const letters = ["A", "B"];
  const titles = payload.names.map(race.shown);

  // -- the parts --

  const count = make("div", { class: "w-count", "aria-hidden": "true" });
  const head = make("div", { class: "w-head" },
    make("div", { class: "w-title" }, make("strong", {}, payload.title), ` ${payload.stream}`), count);
  const movers = letters.map((letter) => button("", () => race.act(letter), { class: "rc-mover" }));
  const undo = button("step back", () => race.act("back"), { title: "step back (left arrow)" });
  const again = button("start again", () => race.act("start"), { title: "start again (Home)" });
  const forth = button("next step", () => race.act("next"), { title: "next step of the schedule (right arrow)" });
  const troubles = letters.map(() => button("", () => {}, { class: "rc-trouble" }));
  troubles.forEach((one, k) => one.addEventListener("click", () => race.take(troubleOf(k)[0])));
  const troubleOf = (k) => race.trouble().find(([move]) => move[0] === letters[k]);
  const moves = bar("who moves next", ...movers, undo, forth, again, ...troubles);
  const guard = button("guard", () => race.act("guard"), { class: "rc-toggle" });
  const guardText = make("span", { class: "w-soft", id: `${id}-guard` });
  guard.setAttribute("aria-describedby", `${id}-guard`);
  const every = button("all 20 schedules", () => race.act("schedules"), { class: "rc-toggle" });
  const projector = button("projector", () => race.setProjector(!s.projector), { class: "rc-toggle" });
  const keys = button("keys ?", () => race.act("keys"), { class: "rc-toggle" });
  const options = bar("options", guard, guardText, make("span", { class: "rc-gap" }), every, projector, keys);
  const plan = make("div", { class: "rc-plan" });
  const body = make("tbody");
  const scroller = make("div", { class: "rc-scroll", tabindex: "0", role: "region", ...suppress,
    "aria-label": "the steps, time downwards" },
  make("table", { class: "rc-lanes" }, make("thead", {}, make("tr", {},
    make("th", { scope: "col", class: "rc-n" }, "step"),
    make("th", { scope: "col" }, `${titles[0]} (A)`),
    make("th", { scope: "col", class: "rc-stream" }, "stream"),
    make("th", { scope: "col" }, `${titles[1]} (B)`))), body));
  const say = make("p", { class: "rc-say", role: "status", "aria-live": "polite" });
  const panel = make("div", { class: "w-panel" });
  const invariant = make("p", { class: "rc-invariant" });
  const code = make("code");
  const copied = button("copy", () => copy(copied, code.textContent), { class: "rc-copy", "aria-label": "copy the line of code" });
  const foot = make("div", { class: "rc-foot" }, invariant,
    make("div", { class: "w-code" }, make("span", { class: "w-soft" }, "code"), code, copied));
  const root = make("div", { class: "esnb-race", role: "group", tabindex: "-1", ...suppress,
    "aria-label": `race: ${titles.join(" and ")}, ${payload.lamps}` },
  head, moves, options, plan, scroller, say, panel, foot);
  el.replaceChildren(root);

  // -- keys --

  const groups = rover([moves, options, panel]);
  listenKeys(root, groups, {
    action: (key) => raceAction(key, s.projector), act: race.act, leave: race.leave,
    upDown: (steps) => scroller.scrollBy(0, 40 * steps),
  });

  // -- the picture: a row a step, time downwards --

  const line = (way, kind) => make("span", { class: `rc-line rc-${way} rc-${kind}`, "aria-hidden": "true" });
  function lane(step, side) {
    const cell = make("td", { class: `rc-lane rc-side-${side}` });
    if (!step || letters[side] !== step.move[0]) return cell;
    const outward = side ? "right" : "left";
    const inward = side ? "left" : "right";
    const knows = `knows ${step.knows}, ${step.left} left`;
    const [words, arrow] = {
      read: [make("span", { class: "rc-state" }, make("span", { class: "rc-verb" }, "reads: "), knows), line(outward, "read")],
      decide: [make("span", {}, step.left > 0 ? "decides: sell" : "decides: no sale"), null],
      append: [make("span", {}, `appends, expects ${step.expected}`), line(inward, "command")],
      raise: [make("span", {}, `old decision, expects ${step.expected}`), line(inward, "command")],
      write: [make("span", {}, "appends, any version"), line(inward, "command")],
      conflict: [make("span", {}, `appends, expects ${step.expected}`), line(inward, "command")],
      again: [make("span", {}, "the same event again"), line(inward, "command")],
      crash: [make("span", {}, "crashes, nothing sent"), null],
      refuse: [make("span", { class: "rc-told" }, cross(), "sold out"), null],
      "give up": [make("span", {}, "gives up"), null],
    }[step.step];
    const told = make("span", { class: "rc-box" }, words);
    cell.append(make("div", { class: "rc-cell" }, ...(side ? [arrow, told] : [told, arrow]).filter(Boolean)));
    return cell;
  }
  function row(n, step, current) {
    const stream = make("td", { class: "rc-stream" });
    const far = step?.move[0] === letters[1] ? " rc-far" : ""; // the label keeps clear of the arrow
    const node = make("div", { class: `rc-node${far}` });
    if (!step) node.append(symbol(payload.types[0]), make("b", {}, "1"));
    else if (step.step === "again") node.append(make("b", {}, `${step.actual} already`));
    else if (step.number) {
      const over = step.sold > payload.pieces;
      node.append(symbol(payload.types[1]), make("b", {}, `${step.number}${over ? " too many" : ""}`));
    } else if (step.step === "conflict") node.append(cross(), make("b", {}, `conflict, found ${step.actual}`));
    if (node.childNodes.length) stream.append(node);
    return make("tr", { "aria-current": current ? "step" : null },
      make("th", { scope: "row", class: "rc-n" }, String(n)), lane(step, 0), stream, lane(step, 1));
  }
  let drawn = null;
  function picture() {
    const wanted = `${race.mode()} ${race.path()}`;
    if (wanted === drawn) return;
    drawn = wanted;
    const rows = [row(0, null, s.at === 0)];
    for (let n = 1; n <= s.at; n += 1) rows.push(row(n, race.node(race.path(n)), n === s.at));
    body.replaceChildren(...rows);
    scroller.scrollTop = scroller.scrollHeight;
  }

  // -- what stands below it --

  function gatePanel() {
    const asked = race.gate();
    const choices = asked.choices.map((text) => choice(`${id}-choice`, text, () => race.choose(text)));
    const onkeydown = ({ key }) => key === "Enter" && race.commit();
    return [make("fieldset", { onkeydown }, make("legend", {}, `Predict: ${asked.question}`), ...choices),
      make("div", { class: "w-bar" },
        button("commit (p)", () => race.commit(), { class: "rc-commit", "aria-disabled": "true" }),
        button("not yet (Esc)", () => race.leave()))];
  }
  function resultPanel() {
    const { question, answer, actual, match } = s.result;
    const why = make("input", { type: "text", ...suppress, class: "rc-why", "aria-label": "why?",
      placeholder: "why? (kept with your answer)", value: s.result.why });
    why.addEventListener("change", () => race.explain(why.value));
    why.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      race.explain(why.value);
      race.goOn();
    });
    return [make("table", {}, make("thead", {}, make("tr", {}, ...["", "your answer", "actual", ""].map(
      (t) => make("th", { scope: "col" }, t)))), make("tbody", {}, make("tr", {},
      make("th", { scope: "row" }, question), make("td", {}, answer), make("td", {}, actual),
      make("td", { class: "rc-verdict" }, match ? "✓ match" : "≠ different")))),
    make("div", { class: "w-bar rc-after" }, why,
      button("continue (p)", () => race.goOn(), { class: "rc-goon" }))];
  }
  function conflictCard() {
    const step = race.node();
    const who = race.shown(step.who);
    const fact = (name, value, more) => [make("dt", {}, name), make("dd", {}, make("b", {}, value), more)];
    return make("div", { class: "rc-conflict", role: "group", "aria-label": "conflict" },
      make("h3", {}, cross(), `Conflict: ${who}'s append was refused`),
      make("dl", {}, ...fact("expected version", String(step.expected), ` what ${who} has read`),
        ...fact("found version", String(step.actual), " what is there now"),
        ...fact("came in between", (step.between ?? []).join("; "), "")),
      make("p", {}, `Nothing of ${who}'s was stored. What now?`),
      make("div", { class: "w-bar" }, ...race.options().filter(([move]) => move[0] === step.move[0]).map(
        ([move, name]) => button(name, () => race.take(move)))));
  }
  function schedulesPanel() {
    if (!race.opened()) {
      const box = make("input", { type: "text", inputmode: "numeric", ...suppress, class: "rc-guess", id: `${id}-guess` });
      box.addEventListener("keydown", (event) => {
        if (event.key === "Enter") race.guess(box.value);
      });
      return [make("label", { for: `${id}-guess`, class: "rc-ask" }, `Predict: ${race.countQuestion()} `),
        make("div", { class: "w-bar" }, box, button("commit", () => race.guess(box.value), { class: "rc-commit" }),
          button("not yet (Esc)", () => race.leave()))];
    }
    const column = s.guard ? 1 : 2;
    const total = (where, what) => payload.schedules.filter((r) => r[where] === what).length;
    const tally = (where, what) => what.map((name) => `${total(where, name)} ${name}`).join(", ");
    const current = race.path();
    return [make("h3", {}, "All 20 schedules; press one to replay it"),
      make("div", { class: "rc-schedules", role: "group", "aria-label": "schedules" }, ...payload.schedules.map((line) => {
        const [schedule, on, off] = line;
        const chip = button("", () => race.replay(schedule), { class: "rc-chip",
          "aria-pressed": String(current.startsWith(schedule)), "data-schedule": schedule });
        chip.append(make("span", { class: "rc-order" }, schedule),
          line[column] === "conflict" ? cross() : make("span", { class: "rc-sign", "aria-hidden": "true" }, line[column] === "clean" ? "✓" : "+1"),
          make("span", {}, line[column]),
          make("span", { class: "w-live" }, s.guard ? `, without the guard ${off}` : `, with the guard ${on}`));
        return chip;
      })),
      make("p", {}, `With the guard: ${tally(1, ["clean", "conflict", "oversold"])}. Without: ${
        tally(2, ["clean", "oversold"])}.`)];
  }
  const keysPanel = () => [make("h3", {}, "Keys"), keyList(RACE_KEYS)];

  let built = "";
  function fillPanel() {
    const conflict = !s.gate && race.node().step === "conflict";
    const wanted = JSON.stringify([s.gate?.move, race.path(), race.mode(), s.result?.schedule,
      s.panel, s.panel === "schedules" && race.opened(), conflict]);
    if (wanted === built) {
      panel.querySelector(".rc-commit[aria-disabled]")?.setAttribute("aria-disabled", String(!s.gate?.given));
      return;
    }
    const had = panel.contains(document.activeElement);
    const chip = document.activeElement?.closest?.(".rc-chip")?.dataset.schedule;
    built = wanted;
    const content = [];
    if (s.gate) content.push(...gatePanel());
    if (s.result) content.push(...resultPanel());
    if (conflict) content.push(conflictCard());
    if (s.panel === "schedules" && !s.gate) content.push(...schedulesPanel());
    if (s.panel === "keys" && !s.gate) content.push(...keysPanel());
    panel.replaceChildren(...content);
    panel.hidden = !content.length;
    panel.classList.toggle("rc-listing", s.panel !== null);
    scroller.scrollTop = scroller.scrollHeight;
    // Where a box has opened or the focused button went, the focus follows.
    const same = chip && [...panel.querySelectorAll(".rc-chip")].find((c) => c.dataset.schedule === chip);
    const inRoot = had || root.contains(document.activeElement);
    if (s.gate && inRoot) panel.querySelector("input")?.focus();
    else if (had && s.result) panel.querySelector(".rc-goon").focus();
    else if (same) same.focus();
    else if (had) (movers[letters.indexOf(race.node().move?.[0])] ?? movers[0]).focus();
    else if (inRoot && s.panel === "schedules" && !race.opened()) panel.querySelector("input").focus();
  }

  function update() {
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("rc-asking", Boolean(s.gate));
    const node = race.node();
    write(count, `step ${s.at}`);
    letters.forEach((letter, k) => {
      const mine = race.options().find(([move]) => move === letter);
      write(movers[k], `${titles[k]}: ${mine ? mine[1] : "done"}`);
      movers[k].setAttribute("aria-disabled", String(!mine || Boolean(s.gate)));
      movers[k].title = `${titles[k]}'s next step (${letter.toLowerCase()})`;
    });
    troubles.forEach((one, k) => {
      const mine = s.gate ? null : troubleOf(k);
      if (!mine && one === document.activeElement) movers[k].focus(); // it goes; the focus stays
      one.hidden = !mine;
      write(one, `${titles[k]}: ${mine ? mine[1] : "nothing can go wrong"}`);
    });
    undo.setAttribute("aria-disabled", String(!s.at && !s.gate));
    again.setAttribute("aria-disabled", String(!s.at));
    forth.setAttribute("aria-disabled", String(s.at >= s.plan.length && race.options().length !== 1));
    guard.setAttribute("aria-pressed", String(s.guard));
    write(guardText, s.guard ? "on: an append states the version it has read" : "off: an append takes any version");
    every.setAttribute("aria-pressed", String(s.panel === "schedules"));
    projector.setAttribute("aria-pressed", String(s.projector));
    keys.setAttribute("aria-pressed", String(s.panel === "keys"));
    plan.replaceChildren(make("span", { class: "w-soft" }, "schedule "), make("b", {}, race.path() || "none yet"),
      ...(s.at < s.plan.length ? [make("span", { class: "rc-later" }, ` ${s.plan.slice(s.at).join("")}`)] : []));
    picture();
    fillPanel();
    write(say, s.problem || (s.gate ? "Predict first, then it is shown."
      : node.say));
    const holds = node.sold <= payload.pieces;
    root.classList.toggle("rc-broken", !holds);
    invariant.replaceChildren(make("span", { class: "w-soft" }, "rule: sold ≤ received  "),
      make("b", {}, `${node.sold} ${holds ? "≤" : "≰"} ${payload.pieces} `),
      make("strong", {}, holds ? "holds" : `BROKEN: ${plural(node.sold - payload.pieces, "lamp")} too many`));
    write(code, s.gate ? race.gate().code : node.code);
    groups.all();
  }

  return keepDrawn(race.listen, update);
}

const widget = widgetOf(makeRace, raceView);
export default widget;
