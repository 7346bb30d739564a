// Put the events in order, and search by bisection.
import { firstIllegal, mixed } from "../shared/questions.js";
import { bisect, condition } from "../shared/search.js";

/**
 * @param {import("./types.js").Core} core
 * @param {(i: number) => void} move
 */
export function orderingOf({ film, n, s, face, emit }, move) {
  function openOrder() {
    s.quiz = null;
    s.order = { numbers: mixed(n, s.turn), verdict: null };
    s.turn += 1;
    s.panel = "order";
    emit();
  }
  /**
   * @param {number} place
   * @param {number} by
   */
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
  /**
   * @param {string} path
   * @param {string} test
   * @param {string} value
   */
  function search(path, test, value) {
    const holds = condition(test, value);
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
  return { openOrder, shift, check, search, probe };
}
