// The panel of TimeTravel: keys, prediction, what if, search, order. One is open at a time.
import { keyList, make } from "../shared/elements.js";
import { findPanel } from "./find_panel.js";
import { orderPanel } from "./order_panel.js";
import { quizPanel } from "./quiz_panel.js";
import { whatIfPanel } from "./what_if_panel.js";

/** @typedef {import("./types.js").Clock} Clock */

const KEYS = [
  ["← →", "one step"],
  ["Page Up, Page Down", "10 steps; in projector mode the stops"],
  ["Home, End", "before the first event, after the last"],
  ["Space", "play or pause"],
  ["Shift + ← →", "previous or next stop"],
  ["[ ]", "events that changed the chosen field, or pass the filter"],
  ["a, b", "pin A or B here"],
  ["c", "compare the pins"],
  ["m", "what if this event had not happened?"],
  ["p", "predict the next event, then reveal"],
  ["g", "go to a number or a time"],
  ["f", "filter by type or text"],
  ["↑ ↓", "along the buttons or fields of a group"],
  ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];

/** @type {Record<string, (clock: Clock, id: string) => Node[]>} */
const PANELS = {
  keys: () => [make("h3", {}, "Keys, while the focus is in here"), keyList(KEYS)],
  quiz: quizPanel,
  "what-if": whatIfPanel,
  find: findPanel,
  order: orderPanel,
};

/**
 * What the open panel depends on: it is built again when one of these differs.
 * @param {import("./types.js").Shown} s
 * @param {string | null} open
 */
function factsOf(s, open) {
  if (open === "quiz") return [s.quiz.number, s.quiz.committed, s.quiz.past];
  if (open === "what-if")
    return [s.projector, s.muted, s.policy, s.experiment?.problem, Boolean(s.experiment)];
  if (open === "order") return [s.order.numbers, s.order.verdict];
  if (open === "find") return [s.probes?.shown, s.probes?.path, s.probes?.value, s.probes?.test];
  return [];
}

const WANTED = "input:not([disabled]), button:not([disabled]), select";

/**
 * The focus stays in the panel, or goes into one that has opened.
 * @param {HTMLElement} panel
 * @param {HTMLElement} root
 * @param {import("./types.js").Shown} s
 * @param {{open: string | null, had: boolean}} now
 */
function moveFocus(panel, root, s, { open, had }) {
  const quiet = { preventScroll: true };
  const moved =
    open === "order" && typeof s.order.focus === "number"
      ? panel.querySelectorAll(".tt-item")[s.order.focus]
      : null;
  if (moved) {
    const pair = [...moved.querySelectorAll("button")];
    const same = pair[s.order.by > 0 ? 1 : 0];
    (same.disabled ? pair.find((b) => !b.disabled) : same)?.focus(quiet);
  } else if (had || open === "quiz")
    /** @type {HTMLElement | null} */ (panel.querySelector(WANTED))?.focus(quiet);
  if (!open && had) root.focus(quiet);
}

/**
 * @param {Clock} clock
 * @param {string} id
 */
export function panelOf(clock, id) {
  const { s } = clock;
  const element = make("section", { class: "w-panel" });
  let drawn = "";
  /** @param {HTMLElement} root */
  function update(root) {
    const open = s.quiz ? "quiz" : s.panel;
    element.hidden = !open;
    root.classList.toggle("tt-asking", open === "quiz" && !s.quiz.past);
    root.classList.toggle("tt-ordering", open === "order"); // the timeline would tell the answer
    root.classList.toggle("tt-paneled", Boolean(open) && (open !== "quiz" || s.quiz.past));
    const key = JSON.stringify([open, ...factsOf(s, open)]);
    if (key !== drawn) {
      drawn = key;
      const had = element.contains(document.activeElement);
      element.replaceChildren(...(open ? PANELS[open](clock, id) : []));
      moveFocus(element, root, s, { open, had });
    }
    const commit = /** @type {HTMLButtonElement | null} */ (element.querySelector(".tt-commit"));
    if (commit) commit.disabled = !clock.ready();
  }
  return {
    element,
    update,
    forget: () => {
      drawn = "";
    },
  };
}
