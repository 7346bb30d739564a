// The view of TimeTravel: one clock a model, any number of views on it. What comes from an event or
// a state is only ever set as text. Python puts core.js in front of this file.
import {
  action, axis, bins, bisect, byCommand, clamp, code, condition, fieldOf, firstIllegal, mentions, mixed,
  moment, newestOnly, next, numberAt, origin, parseTime, plural, pretty, questions, sentence, span, tape,
  whichEvent,
} from "./core.js";

const MARKS_UP_TO = 500;
const ROWS = 200;
const SETTLED = 120; // milliseconds until a position counts as reached
const SPEEDS = [["1", "1 / s", 1000], ["2", "2 / s", 500], ["5", "5 / s", 200], ["half", "1 / 2 s", 2000],
  ["real", "as recorded", null]];
const OPS = { "+": "added", "~": "changed", "-": "removed", "": "" };
const KEYS = [
  ["← →", "one step"], ["Page Up, Page Down", "10 steps; in projector mode the stops"],
  ["Home, End", "before the first event, after the last"], ["Space", "play or pause"],
  ["Shift + ← →", "previous or next stop"], ["[ ]", "events that changed the chosen field"],
  ["a, b", "pin A or B here"], ["c", "compare the pins"], ["m", "what if this event had not happened?"],
  ["p", "predict the next event, then reveal"], ["g", "go to a number or a time"],
  ["↑ ↓", "along the buttons or fields of a group"], ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];

// -- small helpers ------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
let counter = 0;

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  return dress(element, attributes, children);
}
function draw(name, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, name), attributes, children);
}
function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
}
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
function set(element, name, value) {
  const text = value === null ? null : String(value);
  if (text === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** An event type as the course draws it everywhere: shape, hue and two letters. */
function symbol(type, size = "1.5em") {
  const shape = type.points ? draw("polygon", { points: type.points })
    : draw("circle", { cx: 12, cy: 12, r: 10.5 });
  shape.setAttribute("fill", type.hue);
  shape.setAttribute("class", "tt-shape");
  const letters = draw("text", { x: 12, y: type.y, fill: type.ink, class: "tt-letters" }, type.code);
  return draw("svg", { viewBox: "0 0 24 24", class: "tt-symbol", "aria-hidden": "true",
    style: `width:${size};height:${size}` }, shape, letters);
}
const ICONS = {
  start: "M5 5v14M19 5l-10 7 10 7z", back: "M15 5l-8 7 8 7", play: "M7 4l13 8-13 8z",
  pause: "M7 5v14M17 5v14", next: "M9 5l8 7-8 7", end: "M19 5v14M5 5l10 7-10 7z",
};
const icon = (name) => draw("svg", { viewBox: "0 0 24 24", class: `tt-icon tt-icon-${name}`,
  "aria-hidden": "true" }, draw("path", { d: ICONS[name] }));

// -- the clock: what is shown, for all views of one model -----------------------------------------

function makeClock(model) {
  const raw = model.get("_payload");
  const payload = JSON.parse(typeof raw === "string" ? raw : new TextDecoder().decode(raw));
  const { n } = payload;
  // One playhead, one or more folds of the same events: the film is always that of the fold shown.
  const faces = [payload, ...(payload.others ?? [])];
  const films = faces.map((face) => tape({ ...face, n }));
  const film = { get paths() {
    return films[s.fold].paths;
  } };
  for (const name of ["seek", "step", "diff", "rows", "changed", "series", "value", "text"])
    film[name] = (...values) => films[s.fold][name](...values);
  const face = () => faces[s.fold];
  const stops = new Map(payload.stops);
  const stopNumbers = [...stops.keys()].sort((a, b) => a - b);
  const projector = Boolean(model.get("projector"));
  const s = {
    at: clamp(model.get("at") ?? n, 0, n), pins: [...(model.get("pins") ?? [null, null])],
    compare: false, panel: null, playing: false, stepBy: "event", byTime: false, speed: 0,
    changedOnly: projector, snapshots: true, field: null, mention: "", open: new Map(), asking: false,
    muted: [...(model.get("_muted") ?? [])], policy: model.get("_policy") ?? "stop",
    experiment: null, quiz: null, probes: null, order: null, turn: 0, projector,
    guide: model.get("guide") ?? "full", answers: [...(model.get("_answers") ?? [])],
    spoken: "", problem: "", fold: model.get("_fold") ?? 0,
  };
  const listeners = new Set();
  let timer = null;
  let settling = null;
  let sent = s.at;

  const emit = () => listeners.forEach((listener) => listener());
  function save(name, value) {
    model.set(name, value);
    model.save_changes();
  }
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
    const stop = stops.get(s.at);
    const what = s.at === 0 ? "before anything happened" : `event ${s.at}, ${typeName(s.at)}: ${
      sentence(film.step(s.at))}`;
    return stop ? `${what}. Stop: ${stop}` : what;
  }
  const typeName = (i) => payload.types[payload.type[i - 1]].name;

  function move(i) {
    const to = clamp(Math.round(i), 0, n);
    s.problem = "";
    if (s.quiz && !s.quiz.past && to !== s.quiz.number - 1) s.quiz = null;
    if (to === s.at) return emit();
    s.at = to;
    settle();
    return emit();
  }
  const stepped = (direction) => (s.stepBy === "command"
    ? byCommand(payload.command, s.at, direction) : clamp(s.at + direction, 0, n));
  const answered = (i) => s.answers.some((row) => row.number === i && row.kind !== "event");
  /** One step forward; where the guide is partial, a prediction comes first. */
  function forward() {
    const to = stepped(1);
    if (s.guide === "partial" && s.at < n && !answered(s.at + 1)) {
      if (!s.quiz) openQuiz();
      return;
    }
    move(to);
  }

  function play(on) {
    clearTimeout(timer);
    s.playing = on && n > 0;
    if (!on) {
      settle();
      return emit();
    }
    if (s.at >= n) s.at = 0;
    timer = setTimeout(tick, pause());
    return emit();
  }
  function pause() {
    const [, , fixed] = SPEEDS[s.speed];
    const gap = s.at >= 1 && s.at < n ? (payload.time[s.at] - payload.time[s.at - 1]) / 1000 : 1000;
    const wait = fixed ?? clamp(gap, 60, 1000);
    const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    return still ? Math.max(wait, 1000) : wait;
  }
  function tick() {
    if (!s.playing) return;
    const from = s.at;
    forward();
    const passed = next(stopNumbers, from, 1);
    if (passed !== null && passed < s.at) move(passed);
    if (s.quiz || s.at >= n || stops.has(s.at)) play(false);
    else timer = setTimeout(tick, pause());
  }

  // Pins, fields.
  function pin(which) {
    s.pins[which] = s.at;
    s.asking = false;
    save("pins", [...s.pins]);
    emit();
  }
  function clearPins() {
    s.pins = [null, null];
    s.compare = false;
    s.asking = false;
    save("pins", [null, null]);
    emit();
  }
  /** The events that are lit: those that changed the chosen field, or that mention a text. */
  const lit = () => (s.field ? film.changed(s.field) : s.mention ? mentions(payload, s.mention) : []);
  const hop = (direction) => {
    const to = next(lit(), s.at, direction);
    if (to !== null) move(to);
  };

  // What if.
  let question = 0;
  const waiting = new Map();
  const request = newestOnly(async (asked) => {
    const id = (question += 1);
    const answer = new Promise((resolve) => {
      waiting.set(id, resolve);
      setTimeout(() => resolve({ error: "slow" }), 5000);
    });
    try {
      model.send({ ask: "what-if", id, muted: asked.muted, policy: asked.policy, fold: s.fold });
    } catch {
      waiting.get(id)({ error: "slow" });
    }
    const reply = await answer;
    waiting.delete(id);
    if (asked.key !== experimentKey()) return;
    s.experiment = reply.result ?? { problem: reply.error === "slow"
      ? "The kernel does not answer: it is busy, or gone." : reply.error };
    emit();
  });
  model.on("msg:custom", (message) => {
    if (message?.ask === "what-if") waiting.get(message.id)?.(message);
  });
  const experimentKey = () => `${s.fold}:${s.policy}:${s.muted.join()}`;
  function experiment() {
    s.experiment = null;
    if (!s.muted.length) return emit();
    const ready = s.muted.length === 1 ? face().what_if?.[s.muted[0]]?.[s.policy] : null;
    if (ready) s.experiment = ready;
    else if (!model.send) s.experiment = { problem: face().what_if
      ? "This page holds experiments with one muted event. For more, run the notebook."
      : "This page holds no experiments with a stream of this length. Run the notebook." };
    else request({ muted: [...s.muted], policy: s.policy, key: experimentKey() });
    return emit();
  }
  function mute(number) {
    if (number < 1) return;
    s.muted = s.muted.includes(number) ? s.muted.filter((k) => k !== number)
      : [...s.muted, number].sort((a, b) => a - b);
    s.panel = s.muted.length ? "what-if" : s.panel === "what-if" ? null : s.panel;
    save("_muted", [...s.muted]);
    experiment();
  }
  function unmute() {
    s.muted = [];
    s.experiment = null;
    if (s.panel === "what-if") s.panel = null;
    save("_muted", []);
    emit();
  }
  function setPolicy(policy) {
    s.policy = policy;
    save("_policy", policy);
    experiment();
  }

  // Predict, then reveal.
  function openQuiz() {
    if (s.at >= n) return;
    s.playing = false;
    s.panel = null;
    s.quiz = { number: s.at + 1, questions: questions(film, payload, s.at + 1), given: [],
      committed: false, why: "" };
    emit();
  }
  /** The other way round: a change is shown, and which event made it is asked. Looking is allowed. */
  function openPast() {
    const asked = whichEvent(film, payload, s.turn);
    if (!asked) return;
    s.turn += 1;
    s.panel = null;
    s.quiz = { number: asked.number, past: true, questions: [asked], given: [], committed: false, why: "" };
    emit();
  }
  // Put in order.
  function openOrder() {
    s.quiz = null;
    s.order = { numbers: mixed(n, s.turn), verdict: null };
    s.turn += 1;
    s.panel = "order";
    emit();
  }
  function shift(place, by) {
    const list = s.order.numbers;
    const to = place + by;
    if (to < 0 || to >= list.length) return;
    [list[place], list[to]] = [list[to], list[place]];
    s.order.verdict = null;
    s.order.focus = to;
    s.order.by = by;
    emit();
  }
  function check() {
    s.order.verdict = firstIllegal(face().order, s.order.numbers) ?? "legal";
    s.order.focus = null;
    emit();
  }
  function choose(k, answer) {
    if (!s.quiz || s.quiz.committed) return;
    s.quiz.given[k] = answer;
    emit();
  }
  const ready = () => Boolean(s.quiz) && s.quiz.questions.every((_, k) => s.quiz.given[k]);
  function commit() {
    if (!ready() || s.quiz.committed) return;
    s.quiz.committed = true;
    s.quiz.rows = s.quiz.questions.map((q, k) => ({
      kind: q.kind, number: s.quiz.number, event_type: typeName(s.quiz.number), question: q.text,
      answer: s.quiz.given[k], actual: q.truth, match: s.quiz.given[k] === q.truth, why: "",
    }));
    s.answers = [...s.answers, ...s.quiz.rows];
    save("_answers", s.answers);
    emit();
  }
  /** Go on to the event; the sentence about the why is kept with the answers. */
  function reveal() {
    if (!s.quiz?.committed) return;
    const { number, rows, why } = s.quiz;
    if (why) {
      s.answers = s.answers.map((row) => (rows.includes(row) ? { ...row, why } : row));
      save("_answers", s.answers);
    }
    s.quiz = null;
    move(number);
  }

  // Search.
  function search(path, test, value) {
    const holds = condition(path, test, value);
    const result = bisect(n, (i) => holds(film.value(path, i)));
    s.probes = { ...result, path, test, value, shown: 0 };
    emit();
  }
  function probe() {
    if (!s.probes || s.probes.shown >= s.probes.probes.length) return;
    const [i] = s.probes.probes[s.probes.shown];
    s.probes.shown += 1;
    move(i);
  }

  function toggle(panel) {
    s.panel = s.panel === panel ? null : panel;
    if (s.panel) s.quiz = null;
    emit();
  }
  /** Leave what is open, the newest first; false when nothing was. */
  function leave() {
    if (s.quiz) s.quiz = null;
    else if (s.panel === "what-if") {
      unmute();
      return true;
    } else if (s.panel) s.panel = null;
    else if (s.compare) s.compare = false;
    else return false;
    emit();
    return true;
  }
  function go(text) {
    const bare = text.trim();
    if (/^\d+$/.test(bare) && Number(bare) <= n) return move(Number(bare)), true;
    const us = parseTime(bare);
    const number = us === null ? null : numberAt(payload.time, us);
    if (number !== null) return move(number), true;
    s.problem = us !== null
      ? "By that time the events are no beginning of the stream: their clocks disagreed."
      : `Not a number from 0 to ${n}, and not a time such as 2026-03-02 15:00.`;
    emit();
    return false;
  }

  const ACTIONS = {
    back: () => move(stepped(-1)), next: forward, "back-10": () => move(s.at - 10),
    "next-10": () => move(s.at + 10), start: () => move(0), end: () => move(n),
    "stop-back": () => move(next(stopNumbers, s.at, -1) ?? 0),
    "stop-next": () => move(next(stopNumbers, s.at, 1) ?? n),
    play: () => play(!s.playing), "field-back": () => hop(-1), "field-next": () => hop(1),
    "pin-a": () => pin(0), "pin-b": () => pin(1),
    compare: () => {
      if (s.pins.includes(null)) s.problem = "Pin A and B first: keys a and b.";
      else s.compare = !s.compare;
      emit();
    },
    mute: () => mute(s.at),
    predict: () => (s.quiz ? (s.quiz.committed ? reveal() : commit()) : openQuiz()),
    keys: () => toggle("keys"),
  };
  function act(name) {
    if (s.playing && name !== "play") play(false);
    ACTIONS[name]?.();
  }

  model.on("change:at", () => {
    const at = model.get("at");
    if (at === sent && at !== s.at) return; // an echo of where we were
    if (at === s.at) return;
    sent = at;
    move(at);
  });
  model.on("change:pins", () => {
    s.pins = [...model.get("pins")];
    emit();
  });
  model.on("change:_muted", () => {
    const muted = model.get("_muted");
    if (String(muted) === String(s.muted)) return;
    s.muted = [...muted];
    s.policy = model.get("_policy");
    s.panel = s.muted.length ? "what-if" : null;
    experiment();
  });
  function setFold(index) {
    s.fold = clamp(index, 0, faces.length - 1);
    s.field = s.quiz = s.probes = null;
    s.mention = "";
    if (s.panel === "order") s.panel = null;
    experiment();
  }
  model.on("change:_fold", () => {
    if (model.get("_fold") !== s.fold) setFold(model.get("_fold"));
  });
  for (const name of ["guide", "projector"])
    model.on(`change:${name}`, () => {
      s[name] = model.get(name);
      if (name === "projector") s.changedOnly = s.projector;
      emit();
    });
  if (s.muted.length) {
    s.panel = "what-if";
    experiment();
  }

  return {
    payload, film, lit, face, faces, n, s, stops, stopNumbers, typeName, act, move, play, go, mute, unmute, setPolicy,
    choose, commit, reveal, ready, openQuiz, openPast, openOrder, shift, check, search, probe, toggle, leave, clearPins, emit,
    change: (values) => {
      Object.assign(s, values);
      emit();
    },
    nextFold: () => {
      setFold((s.fold + 1) % faces.length);
      save("_fold", s.fold);
    },
    setProjector: (on) => {
      s.projector = on;
      s.changedOnly = on;
      save("projector", on);
      emit();
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => {
      clearTimeout(timer);
      clearTimeout(settling);
    },
  };
}

// -- one view -----------------------------------------------------------------------------------

function view(clock, el) {
  const { payload, film, n, s, stops } = clock;
  const id = `tt${(counter += 1)}`;
  const suppress = { "data-lm-suppress-shortcuts": "true" };
  const parts = {};
  const button = (name, label, onclick, extra = {}, ...inside) => {
    const made = make("button", { type: "button", ...suppress, onclick, ...extra },
      ...(inside.length ? inside : [label]));
    if (inside.length) {
      made.setAttribute("aria-label", label);
      made.title = label;
    }
    parts[name] = made;
    return made;
  };
  const toggleButton = (name, label, onclick) =>
    button(name, label, onclick, { "aria-pressed": "false", class: "tt-toggle" });
  const does = (name) => () => clock.act(name);

  // Rows of controls: each is one stop of the tab key; up and down move inside.
  const transport = make("div", { class: "tt-bar", role: "toolbar", "aria-label": "move" },
    button("start", "before the first event (Home)", does("start"), {}, icon("start")),
    button("back", "one step back (left arrow)", does("back"), {}, icon("back")),
    button("play", "play (Space)", does("play"), { "aria-pressed": "false", class: "tt-play" },
      icon("play"), icon("pause")),
    button("next", "one step forward (right arrow)", does("next"), {}, icon("next")),
    button("end", "after the last event (End)", does("end"), {}, icon("end")));
  parts.number = make("input", { type: "number", min: 0, max: n, step: 1, ...suppress, id: `${id}-n`,
    "aria-label": `event number, 0 to ${n}`, class: "tt-number" });
  parts.time = make("input", { type: "text", ...suppress, placeholder: "2026-03-02 15:00",
    "aria-label": "go to a time, UTC, inclusive", class: "tt-timebox", spellcheck: "false" });
  const take = (input) => (event) => {
    if (event.key !== "Enter") return;
    if (clock.go(input.value) && input === parts.time) input.value = "";
  };
  parts.number.addEventListener("keydown", take(parts.number));
  parts.number.addEventListener("change", () => {
    if (parts.number.value !== String(s.at)) clock.go(parts.number.value);
  });
  parts.time.addEventListener("keydown", take(parts.time));
  const goTo = make("div", { class: "tt-bar tt-goto" }, parts.number,
    make("span", {}, `of ${n}`), make("label", {}, "at time (UTC) ", parts.time));
  const options = make("div", { class: "tt-bar tt-options", role: "toolbar", "aria-label": "options" },
    toggleButton("stepBy", "step by command", () =>
      clock.change({ stepBy: s.stepBy === "event" ? "command" : "event" })),
    toggleButton("byTime", "clock axis", () => clock.change({ byTime: !s.byTime })),
    clock.faces.length > 1 ? button("fold", "fold", () => clock.nextFold()) : null,
    button("speed", "speed", () => clock.change({ speed: (s.speed + 1) % SPEEDS.length })),
    toggleButton("projector", "projector", () => clock.setProjector(!s.projector)),
    toggleButton("keys", "keys ?", does("keys")));

  parts.kind = make("span");
  parts.title = make("div", { class: "tt-title" }, make("strong", {}, payload.id), " as ", parts.kind);
  parts.count = make("div", { class: "tt-count", "aria-hidden": "true" });
  const head = make("div", { class: "tt-head" }, parts.title, parts.count);
  const top = make("div", { class: "tt-top" }, transport, goTo, options);

  // The timeline.
  const many = n > MARKS_UP_TO;
  const laneNames = make("div", { class: "tt-lanes", "aria-hidden": "true" });
  payload.lanes.forEach((name, lane) => {
    const first = payload.lane.indexOf(lane);
    const type = payload.types[payload.type[first]];
    const own = type.name === name;
    laneNames.append(make("div", { class: "tt-lane-name", title: name },
      own ? symbol(type, "1.15em") : "", make("span", {}, name)));
  });
  parts.marks = make("div", { class: "tt-marks", ...suppress,
    ...(many ? { role: "img" } : { role: "listbox", tabindex: "0", "aria-orientation": "horizontal" }),
    "aria-label": `events of ${payload.id}` });
  for (let lane = 0; lane < payload.lanes.length; lane += 1)
    parts.marks.append(make("div", { class: "tt-lane", style: `top:calc(var(--tt-lane) * ${lane + 0.5})`,
      role: many ? null : "presentation" }));
  const marks = [];
  if (!many) {
    for (let k = 1; k <= n; k += 1) {
      const mark = make("div", { class: "tt-mark", role: "option", id: `${id}-e${k}`,
        "aria-selected": "false", style: `top:calc(var(--tt-lane) * ${payload.lane[k - 1] + 0.5})` },
        symbol(payload.types[payload.type[k - 1]], "100%"));
      marks.push(mark);
      parts.marks.append(mark);
    }
  } else {
    parts.counts = draw("svg", { class: "tt-counts", preserveAspectRatio: "none", "aria-hidden": "true" });
    parts.lit = draw("svg", { class: "tt-lit-counts", preserveAspectRatio: "none", "aria-hidden": "true" });
    parts.marks.append(parts.counts, parts.lit);
  }
  parts.flags = make("div", { class: "tt-flags" });
  for (const [number, text] of payload.stops) {
    const flag = make("div", { class: "tt-flag", title: `${number}: ${text}` }, "⚑");
    flag.dataset.at = number;
    parts.flags.append(flag);
  }
  parts.snaps = make("div", { class: "tt-snaps", "aria-hidden": "true" });
  parts.axis = make("div", { class: "tt-axis", "aria-hidden": "true" });
  parts.range = make("input", { type: "range", min: 0, max: n, step: 1, ...suppress, class: "tt-range",
    "aria-label": "position" });
  parts.range.addEventListener("input", () => clock.move(Number(parts.range.value)));
  parts.handle = make("div", { class: "tt-handle" });
  parts.veil = make("div", { class: "tt-veil" });
  parts.head = make("div", { class: "tt-playhead" });
  parts.pinA = make("div", { class: "tt-pin" }, "A");
  parts.pinB = make("div", { class: "tt-pin" }, "B");
  parts.axisRow = make("div", { class: "tt-axis-row" }, parts.axis, parts.pinA, parts.pinB, parts.range,
    parts.handle);
  const track = make("div", { class: "tt-track" }, parts.marks, parts.snaps, parts.flags, parts.axisRow,
    parts.veil, parts.head);
  const timeline = make("div", { class: "tt-timeline" }, laneNames, track);

  parts.say = make("p", { class: "tt-say" });
  parts.problem = make("p", { class: "tt-problem", role: "alert" });
  parts.panel = make("section", { class: "tt-panel" });

  // How we got here, the event, the state, the code.
  parts.how = make("span", { class: "tt-how-text" });
  const how = make("div", { class: "tt-how" }, make("h3", {}, "How we got here"), parts.how,
    toggleButton("snapshots", "use snapshots", () => clock.change({ snapshots: !s.snapshots })));
  parts.eventHead = make("div", { class: "tt-event-head" });
  parts.eventLines = make("div", { class: "tt-event-lines" });
  parts.data = make("pre", { class: "tt-json", "aria-label": "event data" });
  parts.meta = make("pre", { class: "tt-json tt-meta", "aria-label": "metadata" });
  parts.eventTitle = make("h3", {}, "Event");
  const card = make("article", { class: "tt-card" }, make("div", { class: "tt-card-top" },
    parts.eventTitle, button("copyEvent", "copy JSON", () => copy(parts.copyEvent, rawEvent()))),
  parts.eventHead, parts.eventLines, parts.data, parts.meta);
  parts.stateTitle = make("h3", {});
  parts.columns = ["field", "before", "now", "change"].map((t) => make("th", { scope: "col" }, t));
  parts.body = make("tbody");
  parts.more = make("p", { class: "tt-more" });
  const state = make("article", { class: "tt-card tt-state" }, make("div", { class: "tt-card-top" },
    parts.stateTitle, toggleButton("changedOnly", "only what changed", () =>
      clock.change({ changedOnly: !s.changedOnly }))),
  make("table", {}, make("thead", {}, make("tr", {}, ...parts.columns)), parts.body), parts.more);
  const cards = make("div", { class: "tt-cards" }, card, state);
  parts.fieldText = make("span");
  parts.spark = draw("svg", { class: "tt-spark", viewBox: "0 0 200 32", preserveAspectRatio: "none",
    "aria-hidden": "true" });
  parts.fieldBar = make("div", { class: "tt-field" }, parts.fieldText,
    button("hopBack", "previous [", does("field-back")), button("hopNext", "next ]", does("field-next")),
    parts.spark);
  parts.code = make("code");
  const codeLine = make("div", { class: "tt-code" }, make("h3", {}, "Code"), parts.code,
    button("copyCode", "copy", () => copy(parts.copyCode, parts.code.textContent)));
  const details = make("div", { class: "tt-details", role: "group", "aria-label": "event and state" },
    how, cards, parts.fieldBar, codeLine);
  parts.discard = make("span", { class: "tt-discard" });
  const tools = make("div", { class: "tt-bar tt-tools", role: "toolbar", "aria-label": "questions" },
    button("predict", "predict next (p)", does("predict")),
    button("mute", "what if not? (m)", does("mute")),
    button("pinAt", "pin A (a)", does("pin-a")), button("pinBt", "pin B (b)", does("pin-b")),
    toggleButton("compare", "compare (c)", does("compare")),
    button("clear", "clear pins", () => clock.change({ asking: true })),
    button("which", "which event?", () => clock.openPast()),
    toggleButton("find", "find", () => clock.toggle("find")),
    toggleButton("order", "put in order", () =>
      (s.panel === "order" ? clock.leave() : clock.openOrder())),
    parts.discard);
  parts.discard.append(make("span", {}, "Discard both pins? "),
    button("yes", "discard", () => clock.clearPins()),
    button("no", "keep", () => clock.change({ asking: false })));
  parts.live = make("div", { class: "tt-live", "aria-live": "polite", role: "status" });

  const root = make("div", { class: "esnb-tt", role: "group", tabindex: "-1", ...suppress,
    "aria-label": `time travel: ${payload.id}` },
  head, top, timeline, parts.say, parts.problem, parts.panel, details, tools, parts.live);
  root.style.setProperty("--tt-lanes", payload.lanes.length);
  el.replaceChildren(root);

  // One tab stop a group; up and down move between its buttons.
  const groups = [transport, options, details, tools];
  const inside = (group) => [...group.querySelectorAll("button")].filter((b) => b.offsetParent && !b.disabled);
  function rove(group, wanted = null) {
    const all = inside(group);
    const current = wanted ?? all.find((b) => b.tabIndex === 0) ?? all[0];
    for (const b of group.querySelectorAll("button")) b.tabIndex = b === current ? 0 : -1;
  }

  // -- keys and pointer --

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const { target, key } = event;
    const kind = target.tagName === "INPUT" ? target.type : target.tagName;
    if (["text", "number", "TEXTAREA", "SELECT"].includes(kind)) {
      if (key === "Escape") {
        if (kind === "number") target.value = s.at;
        if (!clock.leave()) root.focus();
      }
      return;
    }
    if (kind === "radio" && (key.startsWith("Arrow") || key === " ")) return;
    if (kind === "BUTTON" && (key === " " || key === "Enter")) return;
    const vertical = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
    if (vertical) {
      event.preventDefault();
      const group = groups.find((g) => g.contains(target));
      if (group && kind === "BUTTON") {
        const all = inside(group);
        const to = all[(all.indexOf(target) + vertical + all.length) % all.length];
        rove(group, to);
        to.focus();
      } else if (target === parts.range) clock.act(vertical > 0 ? "back" : "next");
      else clock.act(vertical > 0 ? "next" : "back");
      return;
    }
    const name = action(key, { shift: event.shiftKey, projector: s.projector });
    if (!name) return;
    event.preventDefault();
    if (name === "goto") {
      parts.number.focus();
      parts.number.select();
    } else if (name === "leave") {
      if (!clock.leave()) toNotebook();
    } else clock.act(name);
  }
  /** Give the focus back to the cell, so that the notebook's own keys work again. */
  function toNotebook() {
    const cell = root.closest(".jp-Cell");
    const outside = root.parentElement?.closest("[tabindex]");
    document.activeElement?.blur();
    (cell?.closest(".jp-Notebook") ?? outside)?.focus();
  }
  root.addEventListener("keydown", onKey);

  let dragging = false;
  const share = (event) => {
    const box = track.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  track.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    clock.play(false);
    dragging = true;
    track.setPointerCapture(event.pointerId);
    const mark = event.target.closest(".tt-mark");
    const flag = event.target.closest(".tt-flag");
    // A click on a mark goes to the state after it, elsewhere to the nearest place between two.
    if (mark) clock.move(marks.indexOf(mark) + 1);
    else if (flag) clock.move(Number(flag.dataset.at));
    else clock.move(where.nearest(share(event)));
    (event.target === parts.marks || mark ? parts.marks : parts.range).focus({ preventScroll: true });
    event.preventDefault();
  });
  track.addEventListener("pointermove", (event) => {
    if (dragging) clock.move(where.nearest(share(event)));
  });
  const drop = () => {
    dragging = false;
  };
  track.addEventListener("pointerup", drop);
  track.addEventListener("pointercancel", drop);

  async function copy(pressed, text) {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      const area = make("textarea", { class: "tt-live", ...suppress });
      area.value = text;
      root.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
      pressed.focus();
    }
    const label = pressed.textContent;
    write(pressed, done ? "copied" : "select and copy");
    setTimeout(() => write(pressed, label.startsWith("cop") && label !== "copied" ? label : "copy"), 1200);
  }
  const rawEvent = () => (s.at ? pretty(payload.data[s.at - 1]) : "{}");

  // -- drawing --

  let where = axis(n);
  let placed = "";
  /** Put everything that depends on the width or the axis in its place. */
  function place() {
    const width = track.clientWidth || 600;
    const key = `${width}:${s.byTime}:${s.fold}`;
    if (key === placed) return;
    placed = key;
    where = axis(n, s.byTime ? payload.time : null);
    const lane = 26;
    const cell = width / Math.max(n, 1);
    root.style.setProperty("--tt-mark", `${clamp(cell * 1.7, 9, lane - 3)}px`);
    root.classList.toggle("tt-small", cell * 1.7 < 14);
    const left = (element, x) => {
      element.style.left = `${(x * 100).toFixed(4)}%`;
    };
    marks.forEach((mark, k) => left(mark, where.event(k + 1)));
    for (const flag of parts.flags.children) left(flag, where.at(Number(flag.dataset.at)));
    parts.snaps.replaceChildren(...clock.face().snapshots.map((number) => {
      const bar = make("div", { class: "tt-snap", title: `snapshot at ${number}` });
      left(bar, where.at(number));
      return bar;
    }));
    if (many) drawCounts(parts.counts, Array.from({ length: n }, (_, k) => k + 1), width);
    const ticks = [];
    const gap = tickStep(n, width);
    let last = -1;
    for (let k = gap === 1 ? 1 : gap; k <= n; k += gap) {
      const x = where.event(k);
      if ((x - last) * width < 26) continue;
      last = x;
      const tick = make("span", { class: "tt-tick" }, String(k));
      left(tick, x);
      ticks.push(tick);
    }
    for (const fold of where.folds.slice(0, 200)) {
      const tick = make("span", { class: "tt-fold", title: `${span(fold.gap)} folded` }, "//");
      left(tick, fold.share);
      ticks.push(tick);
    }
    parts.axis.replaceChildren(...ticks);
  }
  function tickStep(count, width) {
    const most = Math.max(2, width / 44);
    for (let size = 1; ; size *= 10)
      for (const k of [1, 2, 5]) if (count / (k * size) <= most) return k * size;
  }
  function drawCounts(into, numbers, width) {
    const columns = Math.max(50, Math.floor(width));
    const lanes = payload.lanes.length;
    const counts = bins(numbers.map((k) => where.event(k)), numbers.map((k) => payload.lane[k - 1]), lanes, columns);
    set(into, "viewBox", `0 0 ${columns} ${lanes * 100}`);
    into.replaceChildren(...counts.map((row, lane) => {
      const most = row.reduce((a, b) => Math.max(a, b), 1);
      let d = "";
      row.forEach((count, x) => {
        if (count) d += `M${x} ${lane * 100 + 92}h1v${-(10 + (70 * count) / most).toFixed(1)}h-1z`;
      });
      return draw("path", { d });
    }));
  }

  let shownFold = s.fold;
  let shownAt = null;
  let litField = null;
  function update() {
    root.classList.toggle("tt-projector", s.projector);
    if (shownFold !== s.fold) {
      shownFold = s.fold;
      litField = shownAt = null;
      drawn = "";
      card.dataset.key = "";
      for (const mark of marks) mark.muted = null;
    }
    place();
    const x = where.at(s.at);
    const percent = `${(x * 100).toFixed(4)}%`;
    parts.head.style.left = parts.handle.style.left = parts.veil.style.left = percent;
    for (const [pin, at] of [[parts.pinA, s.pins[0]], [parts.pinB, s.pins[1]]]) {
      pin.hidden = at === null;
      if (at !== null) pin.style.left = `${(where.at(at) * 100).toFixed(4)}%`;
    }
    if (parts.range.value !== String(s.at)) parts.range.value = s.at;
    const spoken = s.at === 0 ? `0 of ${n}, before anything happened`
      : `event ${s.at} of ${n}, ${clock.typeName(s.at)}, ${moment(payload.time[s.at - 1]).slice(11)}`;
    set(parts.range, "aria-valuetext", spoken);
    if (document.activeElement !== parts.number) parts.number.value = s.at;
    write(parts.count, `${s.at} / ${n}`);
    updateMarks();
    updateControls();
    updateSay();
    updateEvent();
    updateState();
    updateField();
    updatePanel();
    const from = origin(clock.face().snapshots, s.at, s.snapshots);
    write(parts.how, howText(from));
    parts.snaps.classList.toggle("tt-off", !s.snapshots);
    write(parts.code, code({ ...clock.face(), id: payload.id }, { at: s.at, compare: s.compare ? s.pins : null,
      muted: s.panel === "what-if" ? s.muted : null, policy: s.policy }));
    write(parts.problem, s.problem);
    write(parts.live, s.spoken);
    groups.forEach((group) => rove(group));
    shownAt = s.at;
  }
  function howText({ snapshot, applied }) {
    if (s.at === 0) return "the empty state, nothing applied";
    const numbers = applied === 0 ? "" : applied <= 4
      ? ` (${Array.from({ length: applied }, (_, k) => s.at - applied + k + 1).join(", ")})`
      : ` (${s.at - applied + 1} to ${s.at})`;
    const start = snapshot === null ? "start empty" : `start from snapshot #${snapshot}`;
    const unused = clock.face().unused.filter(([at]) => at <= s.at).at(-1);
    const aside = unused && s.snapshots && snapshot === null
      ? `. The snapshot at ${unused[0]} is not used: ${unused[1]}` : "";
    const without = snapshot !== null ? `. Without snapshots: ${plural(s.at, "event")}` : "";
    return `${start} ▸ apply ${plural(applied, "event")}${numbers} ▸ state #${s.at}${without}${aside}`;
  }
  function updateMarks() {
    if (litField !== `${s.field}:${s.mention}`) {
      const lit = new Set(clock.lit());
      marks.forEach((mark, k) => mark.classList.toggle("tt-lit", lit.has(k + 1)));
      if (many) drawCounts(parts.lit, [...lit], track.clientWidth || 600);
      litField = `${s.field}:${s.mention}`;
    }
    if (many) return;
    const muted = new Set(s.muted);
    if (shownAt !== s.at || shownAt === null) {
      for (const k of [shownAt, s.at]) if (k) set(marks[k - 1], "aria-selected", k === s.at);
      set(parts.marks, "aria-activedescendant", s.at ? marks[s.at - 1].id : null);
    }
    marks.forEach((mark, k) => {
      const off = muted.has(k + 1);
      if (mark.muted === off) return;
      mark.muted = off;
      mark.classList.toggle("tt-muted", off);
      // The letters on the mark are part of its name: who speaks to the computer says what is seen.
      set(mark, "aria-label", `${k + 1}: ${clock.typeName(k + 1)}, ${
        plural(film.step(k + 1).length, "field")} changed${off ? ", muted" : ""}, ${
        payload.types[payload.type[k]].code}`);
      mark.title = mark.getAttribute("aria-label");
    });
  }
  function press(name, on) {
    set(parts[name], "aria-pressed", on);
  }
  function updateControls() {
    press("play", s.playing);
    set(parts.play, "aria-label", s.playing ? "pause (Space)" : "play (Space)");
    parts.play.classList.toggle("tt-on", s.playing);
    press("stepBy", s.stepBy === "command");
    press("byTime", s.byTime);
    press("projector", s.projector);
    press("keys", s.panel === "keys");
    press("compare", s.compare);
    press("find", s.panel === "find");
    press("order", s.panel === "order");
    parts.order.hidden = !clock.face().order;
    press("changedOnly", s.changedOnly);
    press("snapshots", s.snapshots);
    write(parts.speed, `speed ${SPEEDS[s.speed][1]}`);
    parts.snapshots.hidden = clock.face().snapshots.length === 0;
    write(parts.kind, clock.face().kind);
    if (parts.fold) write(parts.fold, `fold: ${clock.face().kind}`);
    parts.back.disabled = parts.start.disabled = s.at === 0;
    parts.next.disabled = parts.end.disabled = s.at === n;
    parts.predict.disabled = s.at === n;
    write(parts.predict, s.quiz ? (s.quiz.committed ? "reveal (p)" : "commit (p)") : "predict next (p)");
    parts.mute.disabled = s.at === 0;
    write(parts.mute, s.muted.includes(s.at) ? "unmute (m)" : "what if not? (m)");
    const pinned = s.pins[0] !== null || s.pins[1] !== null;
    parts.clear.hidden = !pinned || s.asking;
    parts.discard.hidden = !s.asking || !pinned;
    parts.compare.disabled = s.pins.includes(null);
  }
  function updateSay() {
    const stop = stops.get(s.at);
    const told = s.guide === "off" ? "" : s.at === 0 ? "Nothing has happened yet."
      : `${clock.typeName(s.at)}: ${sentence(film.step(s.at))}.`;
    parts.say.replaceChildren(...(stop ? [make("strong", {}, `⚑ ${stop} `)] : []), told);
    parts.say.hidden = !stop && !told;
  }

  function updateEvent() {
    const ahead = Boolean(s.quiz) && !s.quiz.past;
    const number = ahead ? s.quiz.number : s.at;
    const key = `${number}:${ahead}`;
    if (card.dataset.key === key) return;
    card.dataset.key = key;
    parts.copyEvent.hidden = number === 0;
    write(parts.eventTitle, ahead ? "Next event" : number ? `Event ${number}` : "Event");
    if (number === 0) {
      parts.eventHead.replaceChildren(make("strong", {}, "Before anything happened"));
      parts.eventLines.replaceChildren();
      parts.data.hidden = parts.meta.hidden = true;
      return;
    }
    const k = number - 1;
    const type = payload.types[payload.type[k]];
    parts.eventHead.replaceChildren(symbol(type, "1.8em"), make("strong", {}, type.name),
      make("span", { class: "tt-soft" }, payload.version[k] > 1 ? ` version ${payload.version[k]}` : ""));
    const lines = [];
    const delta = k > 0 && payload.time[k] !== null && payload.time[k - 1] !== null
      ? payload.time[k] - payload.time[k - 1] : null;
    lines.push(`${moment(payload.time[k])} UTC${delta === null ? ""
      : ` (${delta < 0 ? "−" : "+"}${span(delta)})`}`);
    const same = payload.command.filter((c) => c === payload.command[k]).length;
    if (same > 1) lines.push(`${k - payload.command.indexOf(payload.command[k]) + 1} of ${same} events of one command`);
    if (!ahead) lines.push(`changes: ${[...new Set(film.step(number).map((c) => fieldOf(c.path)))].join(", ") || "nothing"}`);
    parts.eventLines.replaceChildren(...lines.map((line) => make("div", {}, line)));
    parts.data.hidden = false;
    write(parts.data, pretty(payload.data[k]));
    parts.meta.hidden = payload.metadata[k] === "{}";
    write(parts.meta, pretty(payload.metadata[k]));
  }

  // Rows are kept and only rewritten where they differ: a drag changes few of them.
  const pool = [];
  function rowAt(k) {
    if (pool[k]) return pool[k];
    const name = make("button", { type: "button", ...suppress, class: "tt-name", tabindex: "-1",
      onclick: () => pressRow(pool[k].row) });
    const cells = [make("td"), make("td"), make("td")];
    const tr = make("tr", {}, make("th", { scope: "row" }, name), ...cells);
    pool[k] = { tr, name, cells, row: null };
    parts.body.append(tr);
    return pool[k];
  }
  function pressRow(row) {
    if (row.group) {
      s.open.set(row.field, !row.expanded);
      clock.emit();
    } else clock.change({ field: s.field === row.path ? null : row.path, mention: "" });
  }
  // How many rows of 30 pixels are left of 720 in a lecture hall, below the timeline.
  const room = clamp(Math.floor((330 - 26 * payload.lanes.length) / 30), 3, 8);
  function updateState() {
    const [a, b] = s.compare ? s.pins : [Math.max(s.at - 1, 0), s.at];
    const all = film.rows(a, b).filter((row) => row.op || !s.changedOnly);
    const shown = grouped(all);
    const limit = s.projector ? room : ROWS;
    const rows = shown.length > limit
      ? [...shown].sort((p, q) => Number(Boolean(q.op)) - Number(Boolean(p.op))).slice(0, limit) : shown;
    write(parts.stateTitle, s.compare ? `From A (${a}) to B (${b})`
      : s.at ? `State after event ${s.at}` : "State before anything happened");
    write(parts.columns[1], s.compare ? `at ${a}` : "before");
    write(parts.columns[2], s.compare ? `at ${b}` : "now");
    rows.forEach((row, k) => fill(rowAt(k), row));
    for (let k = rows.length; k < pool.length; k += 1) pool[k].tr.hidden = true;
    const left = shown.length - rows.length;
    write(parts.more, left ? `and ${plural(left, "more row")}` : rows.length ? "" : "no field changed");
  }
  function grouped(rows) {
    const fields = new Map();
    for (const row of rows) {
      const field = fieldOf(row.path);
      if (!fields.has(field)) fields.set(field, []);
      fields.get(field).push(row);
    }
    const out = [];
    for (const [field, own] of fields) {
      if (own.length === 1 && own[0].path === field) {
        out.push(own[0]);
        continue;
      }
      const expanded = s.open.get(field) ?? rows.length <= (s.projector ? room - 1 : 24);
      const changed = own.filter((row) => row.op).length;
      const words = [plural(own.length, "value"), changed ? `${changed} changed` : ""].filter(Boolean);
      out.push({ group: true, field, path: field, expanded, op: "", before: null,
        now: words.join(", "), inner: changed > 0 });
      if (expanded) out.push(...own.map((row) => ({ ...row, child: row.path.slice(field.length) || "(empty)" })));
    }
    return out;
  }
  function fill(slot, row) {
    const { tr, name, cells } = slot;
    slot.row = row;
    tr.hidden = false;
    const kind = `${row.group ? "tt-group" : ""} ${row.child ? "tt-child" : ""} ${
      { "+": "tt-added", "~": "tt-changed", "-": "tt-removed", "": "" }[row.op]}`;
    if (tr.className !== kind) tr.className = kind;
    write(name, row.group ? `${row.expanded ? "▾" : "▸"} ${row.field}` : row.child ?? row.path);
    set(name, "aria-expanded", row.group ? row.expanded : null);
    set(name, "aria-pressed", row.group ? null : s.field === row.path);
    name.title = row.group ? "open or close" : `history of ${row.path}`;
    write(cells[0], row.op && row.before !== null ? row.before : "");
    write(cells[1], row.op === "-" ? "" : row.now ?? "");
    write(cells[2], row.op ? `${row.op} ${OPS[row.op]}` : row.inner && !row.expanded ? "~ inside" : "");
  }

  function updateField() {
    parts.fieldBar.hidden = !s.field && !s.mention;
    if (parts.fieldBar.hidden) return;
    const numbers = clock.lit();
    const what = s.field ? `${s.field} was changed by` : `“${s.mention}” is in`;
    write(parts.fieldText, `${what} ${plural(numbers.length, "event")}${
      numbers.length ? `: ${numbers.slice(0, 12).join(", ")}${numbers.length > 12 ? ", …" : ""}` : ""}`);
    parts.hopBack.disabled = next(numbers, s.at, -1) === null;
    parts.hopNext.disabled = next(numbers, s.at, 1) === null;
    const points = s.field ? film.series(s.field) : [];
    parts.spark.style.display = points.length > 1 ? "" : "none";
    if (points.length < 2) return;
    const values = points.map(([, v]) => v);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const y = (v) => (high === low ? 16 : 29 - (26 * (v - low)) / (high - low));
    const px = (i) => (200 * i) / n;
    let d = `M${px(points[0][0])} ${y(points[0][1])}`;
    for (const [i, v] of points.slice(1)) d += `H${px(i)}V${y(v)}`;
    parts.spark.replaceChildren(draw("path", { d: `${d}H200` }),
      draw("line", { x1: px(s.at), x2: px(s.at), y1: 0, y2: 32 }));
  }

  // -- panels: keys, prediction, what if, search --

  let drawn = "";
  function updatePanel() {
    const open = s.quiz ? "quiz" : s.panel;
    parts.panel.hidden = !open;
    root.classList.toggle("tt-asking", open === "quiz" && !s.quiz.past);
    root.classList.toggle("tt-ordering", open === "order"); // the timeline would tell the answer
    root.classList.toggle("tt-paneled", Boolean(open) && (open !== "quiz" || s.quiz.past));
    const facts = open === "quiz" ? [s.quiz.number, s.quiz.committed]
      : open === "what-if" ? [s.projector, s.muted, s.policy, s.experiment?.problem, Boolean(s.experiment)]
        : open === "order" ? [s.order.numbers, s.order.verdict] : open === "find" ? [s.probes?.shown, s.probes?.path, s.probes?.value, s.probes?.test] : [];
    const key = JSON.stringify([open, ...facts]);
    if (key !== drawn) {
      drawn = key;
      const had = parts.panel.contains(document.activeElement);
      parts.panel.replaceChildren(...({ keys: keysPanel, quiz: quizPanel, "what-if": whatIfPanel,
        find: findPanel, order: orderPanel }[open]?.() ?? []));
      const moved = open === "order" && s.order.focus !== null
        ? parts.panel.querySelectorAll(".tt-item")[s.order.focus] : null;
      if (moved) {
        const pair = [...moved.querySelectorAll("button")];
        const same = pair[s.order.by > 0 ? 1 : 0];
        (same.disabled ? pair.find((b) => !b.disabled) : same)?.focus({ preventScroll: true });
      } else if (had || open === "quiz")
        parts.panel.querySelector("input:not([disabled]), button:not([disabled]), select")?.focus({ preventScroll: true });
      if (!open && had) root.focus({ preventScroll: true });
    }
    if (open === "quiz" && parts.commit) parts.commit.disabled = !clock.ready();
  }
  function keysPanel() {
    return [make("h3", {}, "Keys, while the focus is in here"), make("dl", { class: "tt-keys" },
      ...KEYS.flatMap(([key, text]) => [make("dt", {}, key), make("dd", {}, text)]))];
  }
  function quizPanel() {
    const { quiz } = s;
    if (quiz.committed) {
      parts.commit = null;
      const area = make("textarea", { rows: 2, ...suppress, id: `${id}-why` });
      area.addEventListener("input", () => {
        quiz.why = area.value;
      });
      const good = quiz.rows.every((row) => row.match);
      return [make("h3", {}, `Event ${quiz.number}: your answer and the fact`),
        make("table", {}, make("thead", {}, make("tr", {}, ...["question", "your answer", "actual", ""].map(
          (t) => make("th", { scope: "col" }, t)))), make("tbody", {}, ...quiz.rows.map((row) =>
          make("tr", { class: row.match ? "tt-match" : "tt-differs" }, make("td", {}, row.question),
            make("td", {}, row.answer), make("td", {}, row.actual),
            make("td", {}, row.match ? "✓ match" : "≠ different"))))),
        make("label", { for: `${id}-why` }, good ? "Why is it so? " : "Why is it different? "), area,
        make("div", { class: "tt-bar" }, button("reveal", "continue (p)", () => clock.reveal()))];
    }
    const fields = quiz.questions.map((q, k) => make("fieldset", {}, make("legend", {}, q.text),
      ...[...q.options, "I do not know"].map((option) => {
        const radio = make("input", { type: "radio", name: `${id}-q${k}`, ...suppress,
          onchange: () => clock.choose(k, option) });
        radio.checked = quiz.given[k] === option;
        return make("label", { class: "tt-choice" }, radio, make("span", {}, option));
      })));
    return [make("h3", {}, quiz.past ? "Which event did this?"
      : `Predict event ${quiz.number}: ${clock.typeName(quiz.number)}`),
      make("p", { class: "tt-soft tt-hint" }, quiz.past
        ? "Look around if you like, then commit to an answer."
        : "Commit to an answer, then see the fact. A wrong guess helps too."),
      make("div", { class: "tt-questions" }, ...fields),
      make("div", { class: "tt-bar" }, button("commit", "commit (p)", () => clock.commit()),
        button("skip", "leave (Esc)", () => clock.leave()))];
  }
  function strip(label, numbers, muted, refused, until) {
    return make("div", { class: "tt-strip" }, make("span", { class: "tt-strip-name" }, label),
      ...numbers.map((k) => {
        const off = muted.has(k);
        const no = refused.has(k);
        const state_ = off ? "muted" : no ? "refused" : k > until ? "not reached" : "";
        const mark = make("span", { class: `tt-small-mark ${off ? "tt-muted" : ""} ${
          k > until && !no ? "tt-later" : ""}`, title: `${k}: ${clock.typeName(k)} ${state_}` },
        symbol(payload.types[payload.type[k - 1]], "1.4em"));
        if (no) mark.append(draw("svg", { viewBox: "0 0 24 24", class: "tt-cross" },
          draw("path", { d: "M4 4l16 16M20 4L4 20" })));
        return mark;
      }));
  }
  function whatIfPanel() {
    const list = s.muted.map((k) => button(`unmute${k}`, `${k} ${clock.typeName(k)} ×`,
      () => clock.mute(k), { "aria-label": `unmute ${k} ${clock.typeName(k)}` }));
    const names = { stop: "stop at the first refusal", skip: "leave refused events out",
      force: "apply them all the same" };
    const select = make("select", { ...suppress, "aria-label": "when an event is refused" },
      ...Object.entries(names).map(([value, text]) => make("option", { value,
        selected: value === s.policy }, text)));
    select.addEventListener("change", () => clock.setPolicy(select.value));
    const few = s.muted.length === 1 ? `event ${s.muted[0]}` : `events ${s.muted.join(", ")}`;
    const out = [make("h3", {}, `What if ${few} had not happened?`),
      make("p", { class: "tt-soft" }, "A thought experiment: nothing is stored. A fact is never deleted; "
        + "in production you append an event that compensates."),
      make("div", { class: "tt-bar" }, make("span", {}, "muted: "), ...list, select,
        button("unmuteAll", "leave (Esc)", () => clock.leave()))];
    const found = s.experiment;
    if (!found) return [...out, make("p", {}, "Folding again…")];
    if (found.problem) return [...out, make("p", { class: "tt-problem" }, found.problem)];
    const refused = new Map(found.refused);
    const most = s.projector ? 2 : 8;
    const until = found.policy === "stop" && refused.size ? found.number : n;
    if (n <= 60) {
      const numbers = Array.from({ length: n }, (_, k) => k + 1);
      out.push(make("div", { class: "tt-strips" }, strip("fact", numbers, new Set(), new Set(), n),
        strip("what if", numbers, new Set(found.muted), new Set(
          found.policy === "stop" ? [...refused.keys()].slice(0, 1) : refused.keys()), until)));
    }
    out.push(refused.size ? make("div", { class: "tt-refused" },
      make("p", {}, make("strong", {}, found.policy === "force"
        ? `${plural(refused.size, "later event")} would have been refused:`
        : `${plural(refused.size, "later event")} ${refused.size === 1 ? "becomes" : "become"} impossible:`)),
      make("ul", {}, ...found.refused.slice(0, most).map(([k, why]) => make("li", {},
        make("strong", {}, `✕ ${k} ${clock.typeName(k)}: `), why)),
      ...(refused.size > most ? [make("li", {}, `and ${refused.size - most} more`)] : [])))
      : make("p", {}, "No later event is refused."));
    out.push(found.rows.length ? make("table", {}, make("thead", {}, make("tr", {},
      ...["field", `fact at ${found.fact_at}`, `what if, after ${found.number}`, "change"].map(
        (t) => make("th", { scope: "col" }, t)))), make("tbody", {}, ...found.rows.slice(0, s.projector ? 2 : 40).map(
      ([path, fact, other]) => {
        const op = fact === null ? "+" : other === null ? "-" : "~";
        return make("tr", { class: { "+": "tt-added", "~": "tt-changed", "-": "tt-removed" }[op] },
          make("th", { scope: "row" }, path), make("td", {}, fact ?? ""), make("td", {}, other ?? ""),
          make("td", {}, `${op} ${OPS[op]}`));
      }))) : make("p", {}, "Both states are the same."));
    return out;
  }
  function findPanel() {
    const path = make("select", { ...suppress, "aria-label": "field" }, ...film.paths.slice(0, 500).map(
      (name) => make("option", { value: name, selected: name === (s.probes?.path ?? s.field) }, name)));
    const test = make("select", { ...suppress, "aria-label": "comparison" },
      ...["<", "<=", "=", "!=", ">=", ">"].map((t) => make("option", { value: t,
        selected: t === (s.probes?.test ?? "=") }, t)));
    const value = make("input", { type: "text", ...suppress, "aria-label": "value", class: "tt-value" });
    value.value = s.probes?.value ?? "";
    const go = () => clock.search(path.value, test.value, value.value);
    value.addEventListener("keydown", (event) => {
      if (event.key === "Enter") go();
    });
    const out = [make("h3", {}, "The first event after which…"),
      make("div", { class: "tt-bar" }, path, test, value, button("search", "search", go),
        button("closeFind", "leave (Esc)", () => clock.leave()))];
    const text = make("input", { type: "text", ...suppress, "aria-label": "text in an event",
      class: "tt-value" });
    text.value = s.mention;
    const light = () => clock.change({ mention: text.value.trim(), field: null });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter") light();
    });
    out.push(make("div", { class: "tt-bar" }, make("span", {}, "or all events that mention"), text,
      button("light", "show", light)));
    const found = s.probes;
    if (!found) return out;
    const { probes, shown } = found;
    const rows = probes.slice(0, shown).map(([i, yes], k) => make("li", {},
      `probe ${k + 1}: after event ${i} it is ${film.value(found.path, i) ?? "absent"}: ${yes ? "yes" : "no"}`));
    out.push(make("p", { class: "tt-soft" }, `Bisection asks ${plural(probes.length, "state")} of ${n + 1}. `
      + "It is right only if the answer, once yes, stays yes."), make("ol", {}, ...rows));
    if (shown < probes.length) out.push(make("div", { class: "tt-bar" },
      button("probe", `probe ${shown + 1}`, () => clock.probe())));
    else {
      const answer = found.found === null ? "After the last event it does not hold, so bisection finds nothing."
        : found.found === 0 ? "It holds before anything happened." : `Event ${found.found}, ${clock.typeName(found.found)}.`;
      const trust = found.turns > 1
        ? ` The answer changes ${found.turns} times, so bisection cannot be trusted: asking every state finds ${
          found.scan === null ? "nothing" : found.scan}.` : "";
      out.push(make("p", {}, make("strong", {}, answer), trust));
      if (found.found) out.push(make("div", { class: "tt-bar" },
        button("toFound", `go to ${found.found}`, () => clock.move(found.found))));
    }
    return out;
  }

  function orderPanel() {
    const { numbers, verdict } = s.order;
    const bad = verdict && verdict !== "legal" ? verdict.index : -1;
    const items = numbers.map((k, place) => {
      const type = payload.types[payload.type[k - 1]];
      const name = `${type.name} ${pretty(payload.data[k - 1], 1e9)}`;
      const item = make("li", { class: "tt-item" },
        button(`up${place}`, "↑", () => clock.shift(place, -1),
          { "aria-label": `move ${type.name} up, now ${place + 1}`, disabled: place === 0 }),
        button(`down${place}`, "↓", () => clock.shift(place, 1),
          { "aria-label": `move ${type.name} down, now ${place + 1}`, disabled: place === n - 1 }),
        symbol(type, "1.5em"), make("span", { class: "tt-item-text" }, name));
      if (place === bad) {
        item.classList.add("tt-refused");
        item.append(make("div", { class: "tt-reason" }, make("strong", {}, "✕ "), verdict.reason));
      }
      return item;
    });
    const same = numbers.every((k, place) => k === place + 1);
    return [make("h3", {}, "Put the events in an order that the rules allow"),
      make("ol", { class: "tt-order" }, ...items),
      make("div", { class: "tt-bar" }, button("check", "check", () => clock.check()),
        button("leaveOrder", "leave (Esc)", () => clock.leave()),
        make("span", { role: "status" }, verdict === null ? "" : verdict !== "legal"
          ? `Number ${bad + 1} cannot follow here.` : same ? "✓ This is how it happened."
            : "✓ The rules allow it. It is not how it happened: more than one order may be legal."))];
  }

  // -- life --

  let frame = 0;
  const schedule = () => {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      update();
    });
  };
  const silent = clock.listen(schedule);
  const resized = new ResizeObserver(() => {
    placed = "";
    litField = null;
    schedule();
  });
  resized.observe(track);
  update();
  return () => {
    silent();
    resized.disconnect();
    cancelAnimationFrame(frame);
  };
}

const widget = () => {
  let clock = null;
  return {
    initialize({ model }) {
      clock = makeClock(model);
      return () => clock.stop();
    },
    render: ({ el }) => view(clock, el),
  };
};
export default widget;
