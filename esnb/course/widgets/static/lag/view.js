// The view of Lag: its parts, put together; the state in words, and reader beside truth.
import { heads, make, suppress, write } from "../shared/elements.js";
import { listenKeys, rover } from "../shared/keys.js";
import { keepDrawn } from "../shared/life.js";
import { action } from "../shared/places.js";
import { plural } from "../shared/words.js";
import { chartOf, seconds } from "./chart.js";
import { comparedRows } from "./compare.js";
import { operatorOf, policyOf, topOf } from "./controls.js";
import { bobSees, readerAt, truthAt } from "./day.js";
import { panelOf } from "./panel.js";

/**
 * @typedef {import("./clock.js").Clock} Clock
 * @typedef {import("./day.js").Tick} Tick
 */

/** @type {Record<string, string>} */
const SIGNS = { "": "same", "+": "+ added", "~": "~ changed", "-": "− removed" };
/** @type {Record<string, string>} */
const CLASSES = { "": "", "+": "w-added", "~": "w-changed", "-": "w-removed" };
/** @type {Record<string, string>} */
const ARROWS = { growing: "↑ growing", steady: "→ steady", shrinking: "↓ shrinking" };
/** @type {Record<string, string>} */
const STATES = {
  "caught up": "✓ caught up",
  "catching up": "↗ catching up",
  slow: "… slow",
  stalled: "■ stalled",
};
let views = 0;

/**
 * @param {Clock} clock
 * @param {Tick} t
 */
function why({ day, s, run }, t) {
  if (t.state === "stalled")
    return t.crashed
      ? "the checkpoint does not move: the process is gone"
      : t.paused
        ? "the checkpoint does not move: paused"
        : "the checkpoint does not move";
  if (t.crashed) return "crashed: the read model still answers";
  if (t.rebuild !== null) return `rebuild at ${t.rebuild}; meanwhile the old read model serves`;
  if (t.paused) return "paused: the read model still answers";
  if (!t.events) return "the read model has every event";
  const from = run().ticks[Math.max(0, s.at - day.trend)];
  const length = Math.max(1, s.at - from.second);
  const per = (a, b) => ((a - b) / length).toFixed(1);
  return `in ${per(t.head, from.head)} / s, out ${per(t.checkpoint, from.checkpoint)} / s`;
}

/** @param {Clock} clock */
function statusOf(clock) {
  const state = make("strong", { class: "lg-state" });
  const gap = make("span", { class: "lg-gap" });
  const reason = make("span", { class: "w-soft" });
  const element = make("p", { class: "lg-status" }, state, gap, reason);
  function update() {
    const t = clock.tick();
    write(state, STATES[t.state]);
    state.dataset.state = t.state;
    write(
      gap,
      t.events
        ? `${plural(t.events, "event")} and ${seconds(t)} behind, ${ARROWS[t.trend]}`
        : "0 events, 0.0 s behind",
    );
    write(reason, why(clock, t));
  }
  return { element, update };
}

/** @param {Clock} clock */
function tableOf(clock) {
  const { day, s } = clock;
  const bob = day.orders[day.bob];
  const head = heads(["order", "", "", "change"]);
  const columns = head.querySelectorAll("th");
  const body = make("tbody");
  const more = make("p", { class: "w-soft" });
  const element = make(
    "div",
    { class: "lg-card" },
    make("table", {}, make("caption", {}, day.caption), head, body),
    more,
  );
  function rowOf([name, seen, real, sign]) {
    const secret = clock.hidden() && name === bob;
    return make(
      "tr",
      { class: secret ? "" : CLASSES[sign] },
      make("th", { scope: "row" }, name === bob ? `${name} (Bob)` : name),
      make("td", {}, secret ? "? predict first" : seen || "not on the page"),
      make("td", {}, real || "not on the page"),
      make("td", {}, secret ? "?" : SIGNS[sign]),
    );
  }
  function update() {
    const t = clock.tick();
    const found = comparedRows(day, readerAt(day, t, s.handler), truthAt(day, t));
    write(columns[1], `a reader sees (at ${t.checkpoint})`);
    write(columns[2], `truth (at ${t.head})`);
    body.replaceChildren(...found.rows.map(rowOf));
    write(
      more,
      `and ${plural(found.more, "order")} more that ${found.more === 1 ? "differs" : "differ"}`,
    );
    more.hidden = !found.more;
  }
  return { element, update };
}

/** @param {Clock} clock */
function bobText(clock) {
  const { day, s } = clock;
  if (s.at === clock.pays() - 1) return "Bob pays in the next second: press play.";
  if (s.at < clock.pays()) return "Bob has not paid yet.";
  if (!clock.told()) return "Bob refreshes now: predict what he sees (p).";
  const { text, waited } = bobSees(day, s.script, s.handler, s.at, s.policy);
  if (text === "a timeout")
    return `Bob refreshes now: after ${day.timeout} s he gets LagTimeoutError.`;
  return waited
    ? `Bob refreshes now: he waits ${waited} s, then sees ${text.split(",")[0]}.`
    : `Bob refreshes now: he sees ${text} at once.`;
}

/**
 * @param {Clock} clock
 * @param {string} id
 */
function readOf(clock, id) {
  const policy = policyOf(clock, id);
  const bob = make("p", { class: "lg-bob" });
  const code = make("code");
  const element = make(
    "div",
    { class: "lg-read" },
    policy.element,
    bob,
    make("p", { class: "w-code" }, code),
  );
  function update() {
    policy.update();
    write(bob, bobText(clock));
    write(code, clock.day.code[clock.s.policy]);
  }
  return { element, update };
}

/**
 * @param {Clock} clock
 * @param {HTMLElement} el
 */
export function lagView(clock, el) {
  const { s } = clock;
  views += 1;
  const id = `lag${views}`;
  const top = topOf(clock);
  const chart = chartOf(clock, id);
  const status = statusOf(clock);
  const operator = operatorOf(clock, id);
  const panel = panelOf(clock, id, chart.range);
  const table = tableOf(clock);
  const read = readOf(clock, id);
  const live = make("div", { class: "w-live", role: "status", "aria-live": "polite" });
  const root = make(
    "section",
    { class: "esnb-lag", tabindex: "-1", ...suppress, "aria-label": "projection lag" },
    top.element,
    chart.element,
    status.element,
    operator.element,
    panel.element,
    make("div", { class: "lg-cards" }, table.element, read.element),
    live,
  );
  el.append(root);
  const [transport, options] = top.groups;
  const groups = rover([transport, ...operator.groups, options]);
  listenKeys(root, groups, {
    action: (key, shift) => action(key, { shift, projector: s.projector }),
    act: clock.act,
    leave: clock.leave,
    upDown: (steps) => clock.act(steps > 0 ? "back" : "next"),
  });
  function update() {
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("lg-asking", Boolean(s.quiz) || s.keys);
    for (const part of [top, operator, status, chart, table, read, panel]) part.update();
    groups.all();
    write(live, s.spoken);
  }
  return keepDrawn(clock.listen, update, chart.svg);
}
