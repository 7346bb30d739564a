// The clock of a whole store as of a time. Python looks, and folds what is shown; the browser asks, one
// question at a time, the newest first.
import { bytesOf, contentOf, kernelOf, newestOnly, saveTo, speaker } from "../shared/kernel.js";
import { next } from "../shared/places.js";
import { clamp, exampleTime, moment, parseTime, plural } from "../shared/words.js";

/**
 * What Python found at a time; times are microseconds since 1970.
 * @typedef {{us: number, since: number, aggregates: number, events: number, new: number,
 *   changed: number, closed: number | null, first: number, found: number, rows: Row[]}} Answer
 * @typedef {{id: string, sign: "" | "+" | "~" | "-", cells: [string | null, string | null][],
 *   event_type: string, us: number, version: number}} Row
 * @typedef {{kinds: string[], columns: string[], types: Record<string, import("../shared/elements.js").EventType>,
 *   answer: Answer, stops?: Answer[], times?: string}} Payload
 * @typedef {{at: number, pin: number | null, step: number, kind: number | null, text: string,
 *   changed: boolean, first: number, answer: Answer, stale: boolean, problem: string, keys: boolean,
 *   spoken: string, projector: boolean}} Shown
 * @typedef {ReturnType<typeof makeWhole>} Whole
 */

/** @type {[string, number | null][]} */
export const STEPS = [
  ["event", null],
  ["minute", 60e6],
  ["hour", 3600e6],
  ["day", 86400e6],
  ["week", 604800e6],
];
const SETTLED = 120; // milliseconds until a time counts as reached
const STALE = 100; // until what is still shown of another time is veiled

/** @param {import("../shared/kernel.js").Model} model */
function coreOf(model) {
  /** @type {Payload} */
  const payload = contentOf(model);
  const times = new Float64Array(bytesOf(payload.times, model.get("_times")).slice().buffer);
  const ready = new Map((payload.stops ?? []).map((answer) => [answer.us, answer]));
  /** @type {Shown} */
  const s = {
    at: model.get("_at"),
    pin: model.get("_pin"),
    step: 0,
    kind: null,
    text: "",
    changed: false,
    first: 0,
    answer: payload.answer,
    stale: false,
    problem: "",
    keys: false,
    spoken: "",
    projector: Boolean(model.get("projector")),
  };
  const first = times[0];
  // The place before a time where something else was to be seen: what a summary compares with.
  const before = (us) => next(times, next(times, us + 1, -1) ?? -Infinity, -1) ?? first - 1;
  function since() {
    if (!model.send) return ready.get(s.at)?.since ?? first - 1;
    if (s.pin !== null) return s.pin;
    const size = STEPS[s.step][1];
    return size === null ? before(s.at) : s.at - size;
  }
  function summary() {
    const { answer } = s;
    const counts = [`${answer.new} new`, `${answer.changed} changed`];
    if (answer.closed !== null) counts.push(`${answer.closed} closed`);
    return `since ${moment(answer.since)}: ${counts.join(", ")}`;
  }
  return {
    model,
    payload,
    times,
    first,
    last: times[times.length - 1],
    s,
    ready,
    stops: [...ready.keys()],
    ask: kernelOf(model),
    trips: /** @type {number[]} */ ([]),
    ...speaker(),
    since,
    summary,
    live: () => Boolean(model.send),
  };
}

/** @typedef {ReturnType<typeof coreOf>} Core */

/**
 * Look at a time: the answer comes from Python, or with the page.
 * @param {Core} core
 */
function lookOf({ model, s, ready, ask, trips, since, summary, emit }) {
  let settling = null;
  let veil = null;
  const sent = { at: s.at };
  const wish = () => ({
    us: s.at,
    since: since(),
    kind: s.kind,
    text: s.text,
    changed: s.changed,
    first: s.first,
  });
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      s.spoken = `as of ${moment(s.at)}: ${plural(s.answer.aggregates, "aggregate")}; ${summary()}`;
      if (sent.at !== s.at) {
        sent.at = s.at;
        model.set("_at", s.at);
      }
      saveTo(model, "_since", since());
      emit();
    }, SETTLED);
  }
  const request = newestOnly(async (wanted) => {
    const begin = performance.now();
    const reply = await ask("look", wanted);
    if (reply.error) s.problem = reply.error;
    else {
      trips.push(performance.now() - begin);
      s.answer = reply.result;
    }
    if (reply.error || JSON.stringify(wanted) === JSON.stringify(wish())) {
      clearTimeout(veil);
      veil = null;
      s.stale = false;
      settle();
    }
    emit();
  });
  function look() {
    s.problem = "";
    if (!model.send) {
      s.answer = ready.get(s.at);
      settle();
      return emit();
    }
    veil ??= setTimeout(() => {
      s.stale = true;
      emit();
    }, STALE);
    request(wish());
    return emit();
  }
  return { look, sent, stop: () => [settling, veil].forEach(clearTimeout) };
}

/**
 * @param {Core} core
 * @param {() => void} look
 */
function movesOf({ model, times, first, last, s, stops, emit }, look) {
  /** Without a kernel there are the places that Python looked at ahead. */
  const nearest = (us) =>
    model.send ? us : stops.reduce((a, b) => (Math.abs(b - us) < Math.abs(a - us) ? b : a));
  /** @param {number} us */
  function move(us) {
    s.at = nearest(clamp(Math.round(us), first - 1, last));
    s.first = 0;
    look();
  }
  /** @param {number} count */
  function step(count) {
    const size = STEPS[s.step][1];
    if (size !== null && model.send) return move(s.at + count * size);
    const list = model.send ? times : stops;
    let to = s.at;
    for (let k = 0; k < Math.abs(count); k += 1)
      to = next(list, to, count) ?? (count > 0 ? last : first - 1);
    return move(to);
  }
  /** @param {string} text */
  function go(text) {
    const us = parseTime(text);
    if (us === null) {
      s.problem = `Not a time such as ${exampleTime(times)}.`;
      emit();
    } else move(us);
    return us !== null;
  }
  return { move, step, go };
}

/**
 * Follow what Python sets.
 * @param {Core} core
 * @param {ReturnType<typeof lookOf>} looking
 * @param {(us: number) => void} move
 */
function follow({ model, s }, { look, sent }, move) {
  model.on("change:_at", () => {
    const at = model.get("_at");
    if (at === s.at || at === sent.at) return;
    sent.at = at;
    move(at);
  });
  model.on("change:_pin", () => {
    if (model.get("_pin") === s.pin) return;
    s.pin = model.get("_pin");
    look();
  });
}

/** @param {import("../shared/kernel.js").Model} model */
export function makeWhole(model) {
  const core = coreOf(model);
  const { s, emit, first, last } = core;
  const looking = lookOf(core);
  const { look } = looking;
  const moves = movesOf(core, look);
  const { move, step } = moves;
  /** @param {Partial<Shown>} values */
  const change = (values) => {
    Object.assign(s, { first: 0 }, values);
    look();
  };
  /** @type {Record<string, () => void>} */
  const actions = {
    back: () => step(-1),
    next: () => step(1),
    "back-10": () => step(-10),
    "next-10": () => step(10),
    start: () => move(first - 1),
    end: () => move(last),
    changed: () => change({ changed: !s.changed }),
    pin: () => {
      s.pin = s.pin === null ? s.at : null;
      model.set("_pin", s.pin);
      look();
    },
    step: () => change({ step: (s.step + 1) % STEPS.length }),
    keys: () => {
      s.keys = !s.keys;
      emit();
    },
  };
  follow(core, looking, move);
  return {
    ...core,
    ...moves,
    change,
    stop: looking.stop,
    /** @param {string} name */
    act: (name) => actions[name]?.(),
    /** @param {string} id */
    async open(id) {
      if (!model.send) return;
      const reply = await core.ask("open", { aggregate: id, us: s.at });
      if (reply.error) s.problem = reply.error;
      emit();
    },
    /** @param {boolean} on */
    setProjector(on) {
      s.projector = on;
      saveTo(model, "projector", on);
      emit();
    },
    leave() {
      const was = s.keys;
      if (was) actions.keys();
      return was;
    },
  };
}
