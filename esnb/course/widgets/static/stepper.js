// The view of Stepper: prepared steps under one slider. Python made every step and says what changed;
// the page only shows.
import { bar, contentOf, iconButton, keepDrawn, keyList, button, listenKeys, make, rover, speaker,
  suppress, symbol, widgetOf, write } from "./page.js";

const STEP_KEYS = [
  ["← →", "one step back, one on"], ["Home, End", "the first step, the last one"],
  ["?", "this list"], ["Esc", "leave; twice: back to the notebook"],
];
const STEP_WORDS = { "+": "added", "~": "changed" };

function makeSteps(model) {
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
  return {
    content, s, emit, listen,
    move(to) {
      const at = Math.max(0, Math.min(content.labels.length - 1, to));
      if (at === s.at) return;
      s.at = at;
      model.set("at", at);
      model.save_changes();
      emit();
    },
    project() {
      s.projector = !s.projector;
      model.set("projector", s.projector);
      model.save_changes();
      emit();
    },
  };
}

function stepperView(steps, el) {
  const { content, s } = steps;
  const last = content.labels.length - 1;
  const root = make("section", { class: "esnb-stepper", tabindex: "-1", ...suppress, "aria-label": content.title });
  const count = make("span", { class: "w-count" });
  const range = make("input", { type: "range", min: 0, max: last, step: 1, ...suppress, class: "st-range",
    "aria-label": content.title, oninput: () => steps.move(Number(range.value)) });
  const back = iconButton("back", () => steps.move(s.at - 1), ["back"]);
  const next = iconButton("next", () => steps.move(s.at + 1), ["next"]);
  const projector = button("projector", () => steps.project(), { title: "large, for a lecture hall" });
  const keys = button("keys ?", () => toggleKeys(), { title: "what the keys do (?)" });
  const tools = bar("steps", back, next, projector, keys);
  const label = make("p", { class: "st-label" });
  const live = make("p", { class: "w-live", role: "status", "aria-live": "polite" });
  const panels = content.names.map((name) => ({ name, body: make("div", {}) }));
  const help = make("div", { class: "w-panel" }, keyList(STEP_KEYS));
  help.hidden = true;
  root.append(make("div", { class: "st-head" }, make("strong", { class: "w-title" }, content.title), count),
    make("div", { class: "st-move" }, tools, range), help, label,
    make("div", { class: "st-panels" }, panels.map(({ name, body }) =>
      make("section", { class: "st-panel", "aria-label": name, ...suppress }, make("h3", {}, name), body))),
    live);
  el.append(root);

  function toggleKeys() {
    s.keys = !s.keys;
    steps.emit();
  }
  const groups = rover([tools]);
  listenKeys(root, groups, {
    action: (key) => ({ ArrowLeft: "back", ArrowRight: "next", PageUp: "back", PageDown: "next", Home: "first",
      End: "last", "?": "keys", Escape: "leave" })[key],
    act(name) {
      if (name === "keys") toggleKeys();
      else steps.move({ back: s.at - 1, next: s.at + 1, first: 0, last }[name]);
    },
    leave() {
      const was = s.keys;
      s.keys = false;
      if (was) steps.emit();
      return was;
    },
    upDown: (by) => steps.move(s.at + by),
  });

  const cell = (text, sign, kind, first, above) => {
    const inside = kind === "log" && first ? [symbol(content.types[text], "22px"), make("span", {}, text)] : [text];
    // A new event is said once in its row; the name of a field never changes.
    const signed = sign && (kind === "log" ? first || !above : kind === "table" || !first);
    return make(first ? "th" : "td", { ...(first ? { scope: "row" } : {}), class: sign ? "st-new" : null },
      signed ? make("span", { class: "st-sign", title: STEP_WORDS[sign], role: "img",
        "aria-label": STEP_WORDS[sign] }, sign) : null, ...inside);
  };
  function bodyOf(panel) {
    if (panel.kind === "text") return make("p", { class: "st-text" }, panel.rows[0][0]);
    if (!panel.rows.length) return make("p", { class: "w-soft" }, "nothing yet");
    return make("table", { class: `st-${panel.kind}` },
      make("thead", {}, make("tr", {}, panel.head.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, panel.rows.map((row, n) =>
        make("tr", {}, row.map((text, k) => cell(text, panel.signs[n][k], panel.kind, k === 0, panel.signs[n][0]))))));
  }

  function update() {
    root.classList.toggle("w-projector", s.projector);
    projector.setAttribute("aria-pressed", String(s.projector));
    keys.setAttribute("aria-pressed", String(s.keys));
    help.hidden = !s.keys;
    write(count, `${s.at} / ${last}`);
    write(label, content.labels[s.at]);
    write(live, `Step ${s.at} of ${last}: ${content.labels[s.at]}`);
    if (range.value !== String(s.at)) range.value = s.at;
    range.setAttribute("aria-valuetext", content.labels[s.at]);
    back.disabled = s.at === 0;
    next.disabled = s.at === last;
    panels.forEach(({ body }, n) => body.replaceChildren(bodyOf(content.steps[s.at][n])));
    groups.all();
  }

  return keepDrawn(steps.listen, update);
}

const widget = widgetOf(makeSteps, stepperView);
export default widget;
