// The view of a whole store as of a time. Texts of events, states and ids are only ever set as text.
import {
  bar,
  button,
  copy,
  iconButton,
  keyList,
  make,
  press,
  suppress,
  toggleButton,
  write,
} from "../shared/elements.js";
import { listenKeys, rover } from "../shared/keys.js";
import { keepDrawn } from "../shared/life.js";
import { exampleTime, moment, plural } from "../shared/words.js";
import { lineOf } from "./line.js";
import { chooseOf, pagesOf, rowsOf } from "./rows.js";
import { STEPS } from "./whole.js";

/** @typedef {import("./whole.js").Whole} Whole */

const KEYS = [
  ["← →", "one step of time"],
  ["Page Up, Page Down", "10 steps"],
  ["Home, End", "before the first event, at the last"],
  ["↑ ↓", "from row to row, or along a group"],
  ["Enter", "open the time travel of this row"],
  ["a", "pin: compare with this time from now on"],
  ["s", "the next size of a step"],
  ["c", "only what changed"],
  ["g", "go to a time"],
  ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];
/** @type {Record<string, string>} */
const MEANINGS = {
  ArrowLeft: "back",
  ArrowRight: "next",
  PageUp: "back-10",
  PageDown: "next-10",
  Home: "start",
  End: "end",
  a: "pin",
  s: "step",
  c: "changed",
  g: "goto",
  "?": "keys",
  Escape: "leave",
};

/** @param {Whole} whole */
function topOf(whole) {
  const { times, s } = whole;
  const does = (name) => () => whole.act(name);
  const moves = bar(
    "move",
    iconButton("before the first event (Home)", does("start"), ["start"]),
    iconButton("one step back (left arrow)", does("back"), ["back"]),
    iconButton("one step forward (right arrow)", does("next"), ["next"]),
    iconButton("at the last event (End)", does("end"), ["end"]),
  );
  const time = make("input", {
    type: "text",
    ...suppress,
    placeholder: exampleTime(times),
    class: "wh-time",
    "aria-label": "go to a time, UTC, inclusive",
    spellcheck: "false",
  });
  time.addEventListener("keydown", ({ key }) => {
    if (key === "Enter" && whole.go(time.value)) time.value = "";
  });
  const size = button("", does("step"));
  const pin = toggleButton("pin A (a)", does("pin"));
  const projector = toggleButton("projector", () => whole.setProjector(!s.projector));
  const keys = toggleButton("keys ?", does("keys"));
  const options = bar("options", size, pin, projector, keys);
  options.classList.add("wh-options");
  const element = make(
    "div",
    { class: "wh-top" },
    moves,
    make("label", {}, "at time (UTC) ", time),
    options,
  );
  function update() {
    write(size, `step: 1 ${whole.live() ? STEPS[s.step][0] : "stop"}`);
    size.disabled = pin.disabled = !whole.live();
    write(pin, s.pin === null ? "pin A (a)" : "unpin A (a)");
    press(pin, s.pin !== null);
    press(projector, s.projector);
    press(keys, s.keys);
  }
  return { element, groups: [moves, options], time, update };
}

/** @param {Whole} whole */
function wordsOf(whole) {
  const { s } = whole;
  const count = make("div", { class: "w-count", "aria-hidden": "true" });
  const head = make(
    "div",
    { class: "wh-head" },
    make("div", { class: "w-title" }, make("strong", {}, "all aggregates"), " as of"),
    count,
  );
  const told = make("p", { class: "wh-summary" });
  const problem = make("p", { role: "alert", class: "wh-problem" });
  const panel = make(
    "section",
    { class: "w-panel" },
    make("strong", {}, "Keys, while the focus is in here"),
    keyList(KEYS),
  );
  const code = make("code");
  const line = make(
    "div",
    { class: "w-code" },
    make("span", { class: "w-soft" }, "Code"),
    code,
    button("copy", ({ currentTarget }) =>
      copy(/** @type {HTMLElement} */ (currentTarget), code.textContent),
    ),
  );
  function update() {
    const { answer } = s;
    write(count, moment(s.at).replace(/\.\d+$/, ""));
    panel.hidden = !s.keys;
    told.replaceChildren(
      make("strong", {}, whole.summary()),
      ` · ${plural(answer.aggregates, "aggregate")}, ${plural(answer.events, "event")}`,
    );
    write(problem, s.problem);
    write(code, `store.as_of("${moment(s.at).replace(" ", "T")}Z")`);
  }
  return { head, below: [told, problem, panel], line, update };
}

/**
 * @param {Whole} whole
 * @param {HTMLElement} el
 */
export function wholeView(whole, el) {
  const { s } = whole;
  const words = wordsOf(whole);
  const top = topOf(whole);
  const line = lineOf(whole);
  const choose = chooseOf(whole);
  const rows = rowsOf(whole);
  const pages = pagesOf(whole);
  const live = make("div", { class: "w-live", role: "status", "aria-live": "polite" });
  const root = make(
    "div",
    {
      class: "esnb-whole",
      role: "group",
      tabindex: "-1",
      ...suppress,
      "aria-label": "the whole store as of a time",
    },
    words.head,
    top.element,
    line.elements,
    words.below,
    choose.element,
    rows.element,
    pages.element,
    words.line,
    live,
  );
  Object.assign(root, { trips: whole.trips }); // for measuring
  el.replaceChildren(root);
  const groups = rover([...top.groups, choose.group, rows.element, pages.element]);
  listenKeys(root, groups, {
    action: (key) => MEANINGS[key.length === 1 ? key.toLowerCase() : key] ?? null,
    act: (name) => (name === "goto" ? top.time.focus() : whole.act(name)),
    leave: () => {
      if (whole.leave()) return true;
      if (!document.activeElement.matches("input[type=text]")) return false;
      root.focus({ preventScroll: true });
      return true;
    },
    upDown: (steps, target) =>
      target === line.range ? whole.act(steps > 0 ? "back" : "next") : rows.focus(),
  });
  function update() {
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("wh-stale", s.stale);
    for (const part of [words, top, line, choose]) part.update();
    pages.update(rows.update());
    write(live, s.spoken);
    groups.all();
  }
  return keepDrawn(whole.listen, update, line.track);
}
