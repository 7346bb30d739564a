// The clock of TimeTravel: what is shown, for all views of one model, and what is asked of the kernel.
import {
  action, bisect, byCommand, clamp, condition, firstIllegal, mixed, newestOnly, next, numberAt,
  parseTime, pauseOf, questions, sentence, tape, whichEvent,
} from "./core.js";
import { filmOf, headersOf } from "./film.js";
import { filterOf } from "./filter.js";
import { contentOf, kernelOf, speaker } from "./page.js";

export const SPEEDS = [["1 / s", 1000], ["2 / s", 500], ["5 / s", 200], ["1 / 2 s", 2000],
  ["as recorded, gaps up to 1 s", null]];
const SETTLED = 120; // milliseconds until a position counts as reached
const STALE = 100; // until what is still shown of another position is veiled
const CARD = ["data", "metadata", "version"];
const MOVES = ["seek", "step", "diff", "rows", "changed", "series", "value", "look", "has", "range"];

/** What Python sent. Of a long stream the browser holds headers, and what came of its windows. */
function contents(model) {
  const payload = contentOf(model);
  if (!payload.long) return payload;
  const packed = payload.headers ? Uint8Array.from(atob(payload.headers), (c) => c.charCodeAt(0))
    : model.get("_headers");
  const bytes = packed.buffer ? packed : new Uint8Array(packed);
  return { ...payload, ...headersOf(bytes, payload.n), data: {}, metadata: {}, version: {} };
}

export function makeClock(model) {
  const payload = contents(model);
  const { n, long = false } = payload;
  // One playhead, one or more folds of the same events: the film is always that of the fold shown.
  const faces = [payload, ...(payload.others ?? [])];
  const films = faces.map((face) => (long ? filmOf(n, face.span) : { ...tape({ ...face, n }), look: () => true,
    has: () => true }));
  const film = { get paths() {
    return films[s.fold].paths;
  } };
  for (const name of MOVES) film[name] = (...values) => films[s.fold][name]?.(...values);
  const face = () => faces[s.fold];
  const stops = new Map(payload.stops);
  const stopNumbers = [...stops.keys()].sort((a, b) => a - b);
  const projector = Boolean(model.get("projector"));
  const s = {
    at: clamp(model.get("at") ?? n, 0, n), pins: [...(model.get("pins") ?? [null, null])],
    compare: false, panel: null, playing: false, stepBy: "event", byTime: false, speed: 0,
    changedOnly: projector, snapshots: true, field: null, open: new Map(), asking: false,
    filter: { open: false, types: new Set(), text: "", numbers: null }, stale: false, late: "", compared: null,
    muted: [...(model.get("_muted") ?? [])], policy: model.get("_policy") ?? "stop",
    experiment: null, quiz: null, probes: null, order: null, turn: 0, projector,
    guide: model.get("guide") ?? "full", answers: [...(model.get("_answers") ?? [])],
    spoken: "", problem: "", fold: model.get("_fold") ?? 0,
  };
  const { emit, listen } = speaker();
  const ask = kernelOf(model, () => s.fold);
  const trips = []; // how long the last windows took, in milliseconds
  let timer = null;
  let settling = null;
  let sent = s.at;

  function save(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      if (!s.playing && film.has(s.at)) s.spoken = speech();
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
    const refused = refusedAt(s.at).map(([, command, reason]) => `. Refused here: ${command}: ${reason}`);
    return `${what}${stop ? `. Stop: ${stop}` : ""}${refused.join("")}`;
  }
  /** The commands that were refused between event i and the next one. */
  const refusedAt = (i) => (payload.refused ?? []).filter(([after]) => after === i);
  const typeName = (i) => payload.types[payload.type[i - 1]].name;

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

  const { passed, lit, filterBy, mention, chip } = filterOf({ payload, film, s, ask, emit });

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
  async function hop(direction) {
    const to = next(lit(), s.at, direction);
    if (to !== null) return move(to);
    if (!long || !s.field || passed()) return null;
    // The field changed in no other event of this window: Python looks further.
    const reply = await ask("hop", { field: s.field, at: s.at, direction });
    if (reply.error) s.problem = reply.error;
    else if (reply.result[0] !== null) return move(reply.result[0]);
    else if (reply.result[1] > 0 && reply.result[1] < n) {
      s.problem = `${s.field} did not change up to event ${reply.result[1]}. Press again to look on from there.`;
      return move(reply.result[1]);
    } else s.problem = `${s.field} changes nowhere ${direction > 0 ? "after" : "before"} this.`;
    return emit();
  }

  // Windows: what is looked at is asked for, the newest first, one at a time. 100 ms later what is
  // still shown of another position is veiled.
  let stale = null;
  function keep(window) {
    if (!window) return;
    for (const { from: first, to: last } of films[s.fold].add(window)) {
      if (films.some((one) => one.has(last))) continue;
      for (let k = first; k < last; k += 1) for (const one of CARD) delete payload[one][k];
    }
    for (const one of CARD) window[one].forEach((value, k) => {
      payload[one][window.from + k] = value;
    });
  }
  const wanted = newestOnly(async (i) => {
    const fold = s.fold;
    if (film.has(i)) return;
    const begin = performance.now();
    const reply = await ask("window", { at: i });
    if (fold !== s.fold) return;
    if (reply.error) s.late = reply.error;
    else {
      trips.push(performance.now() - begin);
      if (trips.length > 500) trips.shift();
      keep(reply.result);
      s.late = "";
    }
    reach(false);
    emit();
  });
  let from = s.at; // where it moved last
  /** Look at the position, or ask for it. */
  function reach(moved = true) {
    if (!long) return;
    const ahead = s.at >= from ? 1 : -1;
    if (moved) from = s.at;
    if (film.look(s.at)) {
      clearTimeout(stale);
      stale = null;
      s.stale = false;
      s.late = "";
      if (!moved) settle();
      // What comes next in this direction, before it is asked for.
      const span = face().span;
      const then = clamp(s.at + ahead * (span >> 2), 0, n);
      if (model.send && !film.has(then)) wanted(then);
      return;
    }
    stale ??= setTimeout(() => {
      s.stale = true;
      emit();
    }, STALE);
    if (model.send) {
      if (moved || !s.late) wanted(s.at);
    } else s.late = "This page holds only a part of the stream. Run the notebook for the rest.";
  }
  /** The rows of the state panel between two positions; null while they are not here. */
  function rowsOf(a, b) {
    if (!film.has(b)) return null;
    const rows = film.rows(a, b);
    if (rows) return rows;
    const key = `${s.fold}:${a}:${b}`;
    if (s.compared?.key !== key) {
      s.compared = { key, rows: null };
      ask("rows", { a, b }).then((reply) => {
        if (s.compared.key !== key) return;
        if (reply.error) s.late = reply.error;
        else s.compared.rows = reply.result.map(([path, before, now]) => ({ path, before, now,
          op: before === now ? "" : before === null ? "+" : now === null ? "-" : "~" }));
        emit();
      });
    }
    return s.compared.rows;
  }

  // What if.
  const request = newestOnly(async (asked) => {
    const reply = await ask("what-if", { muted: asked.muted, policy: asked.policy });
    if (asked.key !== experimentKey()) return;
    s.experiment = reply.result ?? { problem: reply.error };
    emit();
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
    if (!film.has(s.at + 1)) {
      s.problem = "The next event is on its way. Press p again.";
      wanted(s.at + 1);
      emit();
      return;
    }
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
    else if (s.filter.open || passed()) s.filter = { open: false, types: new Set(), text: "", numbers: null };
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
    filter: () => filterBy({ open: !s.filter.open }),
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
    reach();
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
  (payload.windows ?? []).forEach((windows, fold) => {
    s.fold = fold;
    windows.forEach(keep);
  });
  s.fold = model.get("_fold") ?? 0;
  reach();
  if (s.muted.length) {
    s.panel = "what-if";
    experiment();
  }

  return {
    payload, film, lit, passed, face, faces, n, s, stops, stopNumbers, typeName, refusedAt, rowsOf, trips, act, move,
    play, go, mute, unmute, setPolicy, choose, commit, reveal, ready, openQuiz, openPast, openOrder, shift, check,
    search, probe, toggle, leave, clearPins, emit, listen, filterBy, mention, chip,
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
    stop: () => {
      clearTimeout(timer);
      clearTimeout(settling);
      clearTimeout(stale);
    },
  };
}
