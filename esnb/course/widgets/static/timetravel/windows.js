// Windows of a long stream: what is looked at is asked for, the newest first, one at a time. 100 ms
// later what is still shown of another position is veiled.
import { newestOnly } from "../shared/kernel.js";
import { clamp } from "../shared/words.js";

const STALE = 100; // milliseconds until what is shown of another position is veiled
const TRIPS = 500;
const CARD = ["data", "metadata", "version"];

/**
 * Take in a window, and let go of the cards of those that make room for it.
 * @param {import("./types.js").Core} core
 * @param {any} window
 */
function keep({ films, payload, s }, window) {
  if (!window) return;
  for (const { from: first, to: last } of films[s.fold].add(window)) {
    if (films.some((one) => one.has(last))) continue;
    for (let k = first; k < last; k += 1) for (const one of CARD) delete payload[one][k];
  }
  for (const one of CARD)
    window[one].forEach((value, k) => {
      payload[one][window.from + k] = value;
    });
}

/**
 * The rows of the state panel between two positions; null while they are not here.
 * @param {import("./types.js").Core} core
 */
function rowsFrom({ film, s, ask, emit }) {
  /**
   * @param {number} a
   * @param {number} b
   */
  return function rowsOf(a, b) {
    if (!film.has(b)) return null;
    const rows = film.rows(a, b);
    if (rows) return rows;
    const key = `${s.fold}:${a}:${b}`;
    if (s.compared?.key === key) return s.compared.rows;
    s.compared = { key, rows: null };
    ask("rows", { a, b }).then((reply) => {
      if (s.compared.key !== key) return;
      if (reply.error) s.late = reply.error;
      else
        s.compared.rows = reply.result.map(([path, before, now]) => ({
          path,
          before,
          now,
          op: before === now ? "" : before === null ? "+" : now === null ? "-" : "~",
        }));
      emit();
    });
    return null;
  };
}

/**
 * @param {import("./types.js").Core} core
 * @param {() => void} settle
 */
export function windowsOf(core, settle) {
  const { payload, model, n, long, film, s, ask, emit, trips, face } = core;
  let stale = null;
  let from = s.at; // where it moved last
  const wanted = newestOnly(async (i) => {
    const fold = s.fold;
    if (film.has(i)) return;
    const begin = performance.now();
    const reply = await ask("window", { at: i });
    if (fold !== s.fold) return;
    if (reply.error) s.late = reply.error;
    else {
      trips.push(performance.now() - begin);
      if (trips.length > TRIPS) trips.shift();
      keep(core, reply.result);
      s.late = "";
    }
    reach(false);
    emit();
  });
  /** It is here: nothing is veiled, and what comes next in this direction is asked for ahead. */
  function arrived(ahead) {
    clearTimeout(stale);
    stale = null;
    s.stale = false;
    s.late = "";
    const then = clamp(s.at + ahead * (face().span >> 2), 0, n);
    if (model.send && !film.has(then)) wanted(then);
  }
  /** Look at the position, or ask for it. */
  function reach(moved = true) {
    if (!long) return;
    const ahead = s.at >= from ? 1 : -1;
    if (moved) from = s.at;
    if (film.look(s.at)) {
      if (!moved) settle();
      arrived(ahead);
      return;
    }
    stale ??= setTimeout(() => {
      s.stale = true;
      emit();
    }, STALE);
    if (!model.send)
      s.late = "This page holds only a part of the stream. Run the notebook for the rest.";
    else if (moved || !s.late) wanted(s.at);
  }
  (payload.windows ?? []).forEach((windows, fold) => {
    s.fold = fold;
    windows.forEach((window) => keep(core, window));
  });
  s.fold = model.get("_fold") ?? 0;
  return { reach, wanted, rowsOf: rowsFrom(core), forget: () => clearTimeout(stale) };
}
