// The run of a simulated day, without a page: tested with node against the real store and projector. It
// counts seconds and positions, and plays recorded rows. It never applies an event.

/**
 * What Python recorded of a day.
 * @typedef {{seconds: number, rush: [number, number], writes: number, projects: number,
 *   write_rates: number[], project_rates: number[], rebuild: number, timeout: number, trend: number,
 *   shown: number, bob: number, token: number, code: Record<string, string>, caption: string,
 *   counts: Record<number, number[]>, orders: string[], order: number[], rows: OrderRow[],
 *   truth: OrderRow[], effects: OrderRow[]}} Day
 * @typedef {[string, number, number]} OrderRow status, total, paid
 * @typedef {[number, string, any?][]} Script second, action, value; in order
 *
 * The end of a second. `ranges` are the events that the serving read model was given, in order, from
 * exclusive, to inclusive.
 * @typedef {{second: number, head: number, checkpoint: number, events: number, milliseconds: number,
 *   trend: string, state: string, paused: boolean, crashed: boolean, rebuild: number | null,
 *   ranges: [number, number][], writes: number, projects: number}} Tick
 */

export const NO_ORDER = "no such order";

/**
 * The lag against the one some seconds ago; one event is noise.
 * @param {number[]} behind
 * @param {number} seconds
 */
export function trendOf(behind, seconds) {
  const change = behind.at(-1) - behind[Math.max(0, behind.length - 1 - seconds)];
  return change > 1 ? "growing" : change < -1 ? "shrinking" : "steady";
}

/**
 * Stalled: events wait, and for two seconds nothing moved. Slow: it moves, and does not gain.
 * @param {number[]} behind
 * @param {number[]} places
 * @param {number} seconds
 */
export function stateOf(behind, places, seconds) {
  if (behind.at(-1) === 0) return "caught up";
  if (behind.length > 2 && behind.at(-2) > 0 && places.at(-1) === places.at(-3)) return "stalled";
  return trendOf(behind, seconds) === "shrinking" ? "catching up" : "slow";
}

/**
 * What the operator does in a second; whether the process crashes in it.
 * @param {any} now
 * @param {Script} script
 */
function operated(now, script) {
  let crash = false;
  for (const [when, what, value] of script) {
    if (when !== now.second) continue;
    if (what === "write") now.writes = value;
    else if (what === "project") now.projects = value;
    else if (what === "pause" || what === "resume") now.paused = what === "pause";
    else if (what === "restart") now.crashed = false;
    else if (what === "rebuild") now.rebuild ??= 0;
    else if (what === "crash" && !now.crashed) crash = true;
  }
  return crash;
}

/**
 * The projection takes its events. A crash comes after the read model was written and before the
 * position was. In one transaction, neither is.
 * @param {any} now
 * @param {number} head
 * @param {{crash: boolean, handler: string, faster: number}} how
 */
function projected(now, head, { crash, handler, faster }) {
  if (!now.crashed) {
    const to = now.paused ? now.position : Math.min(head, now.position + now.projects);
    const kept = !(crash && handler === "transaction");
    if (to > now.position && kept) now.ranges = [...now.ranges, [now.position, to]];
    if (!crash) now.position = to;
    now.crashed = crash;
  }
  if (now.rebuild === null) return;
  now.rebuild = Math.min(head, now.rebuild + now.projects * faster);
  if (now.rebuild === head)
    Object.assign(now, { position: head, ranges: [[0, head]], rebuild: null, crashed: false });
}

/**
 * Every second from 0 to `upto`.
 * @param {Day} day
 * @param {Script} script
 * @param {string} handler
 * @param {number} upto
 * @returns {{ticks: Tick[], written: number[]}}
 */
export function simulateDay(day, script, handler, upto) {
  const last = day.order.length - 1;
  const written = [0];
  const now = {
    second: 0,
    writes: day.writes,
    projects: day.projects,
    paused: false,
    crashed: false,
    position: 0,
    rebuild: null,
    ranges: [],
  };
  const behind = [0];
  const places = [0];
  const seen = () => {
    const { position, second: _, ...rest } = now;
    const head = written.length - 1;
    return {
      ...rest,
      second: now.second,
      head,
      checkpoint: position,
      events: head - position,
      milliseconds: head > position ? now.second * 1000 - written[position + 1] : 0,
      trend: trendOf(behind, day.trend),
      state: stateOf(behind, places, day.trend),
    };
  };
  const ticks = [seen()];
  for (; now.second < upto; ) {
    const crash = operated(now, script);
    const count = now.second < day.seconds ? day.counts[now.writes][now.second] : 0;
    for (let k = 0; k < count && written.length <= last; k += 1)
      written.push(now.second * 1000 + Math.floor((1000 * (k + 1)) / (count + 1)));
    projected(now, written.length - 1, { crash, handler, faster: day.rebuild });
    now.second += 1;
    behind.push(written.length - 1 - now.position);
    places.push(now.position);
    ticks.push(seen());
  }
  return { ticks, written };
}

/**
 * Rows by order after a position, as they were recorded.
 * @param {Day} day
 * @param {OrderRow[]} rows
 * @param {number} position
 * @returns {Map<number, OrderRow>}
 */
export function rowsAt(day, rows, position) {
  const found = new Map();
  for (let p = 1; p <= position; p += 1) found.set(day.order[p], rows[p]);
  return found;
}

/**
 * What the read model holds. Where a handler adds, an event that comes again adds again.
 * @param {Day} day
 * @param {Tick} tick
 * @param {string} handler
 * @returns {Map<number, OrderRow>}
 */
export function readerAt(day, tick, handler) {
  if (handler !== "adds")
    return rowsAt(day, day.rows, Math.max(0, ...tick.ranges.map((r) => r[1])));
  const found = new Map();
  for (const [from, to] of tick.ranges)
    for (let p = from + 1; p <= to; p += 1) {
      const [was, total, paid] = found.get(day.order[p]) ?? ["", 0, 0];
      const [status, moreTotal, morePaid] = day.effects[p];
      found.set(day.order[p], [status || was, total + moreTotal, paid + morePaid]);
    }
  return found;
}

/**
 * @param {Day} day
 * @param {Tick} tick
 */
export const truthAt = (day, tick) => rowsAt(day, day.truth, tick.head);

/**
 * What Bob sees who refreshes at a second; while he waits for his position, time goes on.
 * @param {Day} day
 * @param {Script} script
 * @param {string} handler
 * @param {number} second
 * @param {string} policy
 */
export function bobSees(day, script, handler, second, policy) {
  const until = script.filter((step) => step[0] < second);
  const { ticks } = simulateDay(day, until, handler, second + day.timeout);
  if (policy === "stream")
    return { text: truthAt(day, ticks[second]).get(day.bob)?.[0] ?? NO_ORDER, waited: 0 };
  let waited = 0;
  if (policy === "wait") {
    while (waited < day.timeout && ticks[second + waited].checkpoint < day.token) waited += 1;
    if (ticks[second + waited].checkpoint < day.token) return { text: "a timeout", waited };
  }
  const status = readerAt(day, ticks[second + waited], handler).get(day.bob)?.[0] ?? NO_ORDER;
  return { text: waited ? `${status}, after a wait` : status, waited };
}

/**
 * The script after doing something now: what was done later is forgotten.
 * @param {Script} script
 * @param {number} second
 * @param {string} what
 * @param {any} value
 * @returns {Script}
 */
export function doNow(script, second, what, value = null) {
  const same = { resume: "pause", pause: "pause", crash: "crash", restart: "crash" };
  const kind = (name) => same[name] ?? name;
  return [
    ...script.filter((s) => s[0] < second || (s[0] === second && kind(s[1]) !== kind(what))),
    [second, what, value],
  ];
}
