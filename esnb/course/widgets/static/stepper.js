// The view of Stepper: prepared steps under one slider. Python made every step and says what changed;
// the page only shows.
import {
  bar,
  button,
  heads,
  iconButton,
  keyList,
  make,
  press,
  set,
  suppress,
  symbol,
  write,
} from "./shared/elements.js";
import { contentOf, saveTo, speaker } from "./shared/kernel.js";
import { listenKeys, rover } from "./shared/keys.js";
import { keepDrawn, widgetOf } from "./shared/life.js";
import { clamp } from "./shared/words.js";

/**
 * A panel of a step: a text, or a table with a sign for each cell that is new or changed.
 * @typedef {{kind: "text" | "log" | "table" | "state", head: string[], rows: string[][], signs: string[][]}} Panel
 * @typedef {{title: string, labels: string[], names: string[], steps: Panel[][],
 *   types: Record<string, import("./shared/elements.js").EventType>}} Content
 * @typedef {ReturnType<typeof makeSteps>} Steps
 */

const KEYS = [
  ["← →", "one step back, one on"],
  ["Home, End", "the first step, the last one"],
  ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];
/** @type {Record<string, string>} */
const WORDS = { "+": "added", "~": "changed" };
/** @type {Record<string, string>} */
const MEANINGS = {
  ArrowLeft: "back",
  ArrowRight: "next",
  PageUp: "back",
  PageDown: "next",
  Home: "first",
  End: "last",
  "?": "keys",
  Escape: "leave",
};

/** @param {import("./shared/kernel.js").Model} model */
function makeSteps(model) {
  /** @type {Content} */
  const content = contentOf(model);
  const s = { at: model.get("at") ?? 0, projector: Boolean(model.get("projector")), keys: false };
  const { emit, listen } = speaker();
  const read = () => {
    s.at = model.get("at");
    s.projector = Boolean(model.get("projector"));
    emit();
  };
  model.on("change:at", read);
  model.on("change:projector", read);
  const last = content.labels.length - 1;
  return {
    content,
    s,
    emit,
    listen,
    last,
    /** @param {number} to */
    move(to) {
      const at = clamp(to, 0, last);
      if (at === s.at) return;
      s.at = at;
      saveTo(model, "at", at);
      emit();
    },
    project() {
      s.projector = !s.projector;
      saveTo(model, "projector", s.projector);
      emit();
    },
    toggleKeys() {
      s.keys = !s.keys;
      emit();
    },
  };
}

/**
 * @param {Content} content
 * @param {Panel} panel
 * @param {number} n the row
 * @param {number} k the column
 */
function cellOf(content, panel, n, k) {
  const text = panel.rows[n][k];
  const sign = panel.signs[n][k];
  const log = panel.kind === "log";
  const inside =
    log && k === 0 ? [symbol(content.types[text], "22px"), make("span", {}, text)] : [text];
  // A new event is said once in its row; the name of a field never changes.
  const once = k === 0 || !panel.signs[n][0];
  const signed = sign && (log ? once : panel.kind === "table" || k > 0);
  const told = { class: "st-sign", title: WORDS[sign], role: "img", "aria-label": WORDS[sign] };
  return make(
    k ? "td" : "th",
    { scope: k ? null : "row", class: sign ? "st-new" : null },
    signed ? make("span", told, sign) : null,
    ...inside,
  );
}

/**
 * @param {Content} content
 * @param {Panel} panel
 */
function bodyOf(content, panel) {
  if (panel.kind === "text") return make("p", { class: "st-text" }, panel.rows[0][0]);
  if (!panel.rows.length) return make("p", { class: "w-soft" }, "nothing yet");
  const rows = panel.rows.map((row, n) =>
    make(
      "tr",
      {},
      row.map((_, k) => cellOf(content, panel, n, k)),
    ),
  );
  return make("table", { class: `st-${panel.kind}` }, heads(panel.head), make("tbody", {}, rows));
}

/** @param {Steps} steps */
function controlsOf(steps) {
  const { content, s, last } = steps;
  const range = make("input", {
    type: "range",
    min: 0,
    max: last,
    step: 1,
    ...suppress,
    class: "st-range",
    "aria-label": content.title,
    oninput: () => steps.move(Number(range.value)),
  });
  const back = iconButton("back", () => steps.move(s.at - 1), ["back"]);
  const next = iconButton("next", () => steps.move(s.at + 1), ["next"]);
  const projector = button("projector", () => steps.project(), {
    title: "large, for a lecture hall",
  });
  const keys = button("keys ?", () => steps.toggleKeys(), { title: "what the keys do (?)" });
  const tools = bar("steps", back, next, projector, keys);
  const help = make("div", { class: "w-panel" }, keyList(KEYS));
  function update() {
    press(projector, s.projector);
    press(keys, s.keys);
    help.hidden = !s.keys;
    if (range.value !== String(s.at)) range.value = String(s.at);
    set(range, "aria-valuetext", content.labels[s.at]);
    back.disabled = s.at === 0;
    next.disabled = s.at === last;
  }
  return { elements: [make("div", { class: "st-move" }, tools, range), help], tools, update };
}

/** @param {Content} content */
function panelsOf(content) {
  const bodies = content.names.map(() => make("div", {}));
  const element = make(
    "div",
    { class: "st-panels" },
    content.names.map((name, n) =>
      make(
        "section",
        { class: "st-panel", "aria-label": name, ...suppress },
        make("h3", {}, name),
        bodies[n],
      ),
    ),
  );
  /** @param {number} at */
  const update = (at) =>
    bodies.forEach((body, n) => body.replaceChildren(bodyOf(content, content.steps[at][n])));
  return { element, update };
}

/**
 * @param {Steps} steps
 * @param {HTMLElement} el
 */
function stepperView(steps, el) {
  const { content, s, last } = steps;
  const controls = controlsOf(steps);
  const panels = panelsOf(content);
  const count = make("span", { class: "w-count" });
  const label = make("p", { class: "st-label" });
  const live = make("p", { class: "w-live", role: "status", "aria-live": "polite" });
  const root = make(
    "section",
    { class: "esnb-stepper", tabindex: "-1", ...suppress, "aria-label": content.title },
    make("div", { class: "st-head" }, make("strong", { class: "w-title" }, content.title), count),
    controls.elements,
    label,
    panels.element,
    live,
  );
  el.append(root);
  const groups = rover([controls.tools]);
  listenKeys(root, groups, {
    action: (key) => MEANINGS[key],
    act(name) {
      if (name === "keys") steps.toggleKeys();
      else steps.move({ back: s.at - 1, next: s.at + 1, first: 0, last }[name]);
    },
    leave() {
      const was = s.keys;
      if (was) steps.toggleKeys();
      return was;
    },
    upDown: (by) => steps.move(s.at + by),
  });
  function update() {
    root.classList.toggle("w-projector", s.projector);
    controls.update();
    write(count, `${s.at} / ${last}`);
    write(label, content.labels[s.at]);
    write(live, `Step ${s.at} of ${last}: ${content.labels[s.at]}`);
    panels.update(s.at);
    groups.all();
  }
  return keepDrawn(steps.listen, update);
}

const widget = widgetOf(makeSteps, stepperView);
export default widget;
