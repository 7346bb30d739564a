// What came with the model of TimeTravel, and what is shown at first.
import { bytesOf, contentOf, kernelOf, saveTo, speaker } from "../shared/kernel.js";
import { tape } from "../shared/tape.js";
import { clamp } from "../shared/words.js";
import { filmOf, headersOf } from "./film.js";

const MOVES = ["step", "rows", "changed", "series", "value", "look", "has", "range"];

/**
 * What Python sent. Of a long stream the browser holds headers, and what came of its windows.
 * @param {import("../shared/kernel.js").Model} model
 * @returns {import("./types.js").Payload}
 */
function contents(model) {
  const payload = contentOf(model);
  if (!payload.long) return payload;
  const bytes = bytesOf(payload.headers, model.get("_headers"));
  return { ...payload, ...headersOf(bytes, payload.n), data: {}, metadata: {}, version: {} };
}

/**
 * @param {import("../shared/kernel.js").Model} model
 * @param {number} n
 * @returns {import("./types.js").Shown}
 */
function shownAtFirst(model, n) {
  const projector = Boolean(model.get("projector"));
  return {
    at: clamp(model.get("at") ?? n, 0, n),
    pins: [...(model.get("pins") ?? [null, null])],
    compare: false,
    panel: null,
    playing: false,
    stepBy: "event",
    byTime: false,
    speed: 0,
    changedOnly: projector,
    snapshots: true,
    field: null,
    open: new Map(),
    asking: false,
    filter: { open: false, types: new Set(), text: "", numbers: null },
    stale: false,
    late: "",
    compared: null,
    muted: [...(model.get("_muted") ?? [])],
    policy: model.get("_policy") ?? "stop",
    experiment: null,
    quiz: null,
    probes: null,
    order: null,
    turn: 0,
    projector,
    guide: model.get("guide") ?? "full",
    answers: [...(model.get("_answers") ?? [])],
    spoken: "",
    problem: "",
    fold: model.get("_fold") ?? 0,
  };
}

/**
 * One playhead, one or more folds of the same events: the film is always that of the fold shown.
 * @param {import("./types.js").Film[]} films
 * @param {import("./types.js").Shown} s
 * @returns {import("./types.js").Film}
 */
function filmShown(films, s) {
  /** @type {any} */
  const film = {
    get paths() {
      return films[s.fold].paths;
    },
  };
  for (const name of MOVES) film[name] = (...values) => films[s.fold][name](...values);
  return film;
}

/**
 * @param {import("../shared/kernel.js").Model} model
 * @returns {import("./types.js").Core}
 */
export function coreOf(model) {
  const payload = contents(model);
  const { n, long = false } = payload;
  const faces = [payload, ...(payload.others ?? [])];
  const films = faces.map((face) => (long ? filmOf(n, face.span) : tape({ ...face, n })));
  const s = shownAtFirst(model, n);
  const stops = new Map(payload.stops);
  return {
    model,
    payload,
    n,
    long,
    faces,
    films,
    film: filmShown(films, s),
    face: () => faces[s.fold],
    stops,
    stopNumbers: [...stops.keys()].sort((a, b) => a - b),
    s,
    ...speaker(),
    ask: kernelOf(model, () => s.fold),
    trips: [],
    save: (name, value) => saveTo(model, name, value),
    typeName: (i) => payload.types[payload.type[i - 1]].name,
    refusedAt: (i) => (payload.refused ?? []).filter(([after]) => after === i),
  };
}
