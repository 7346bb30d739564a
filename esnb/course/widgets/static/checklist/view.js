// The view of Checklist: ten questions and a verdict.
import { bar, button, keyList, make, press, suppress, write } from "../shared/elements.js";
import { contentOf, saveTo, speaker } from "../shared/kernel.js";
import { listenKeys, rover } from "../shared/keys.js";
import { keepDrawn } from "../shared/life.js";
import { adviceOf, OPEN } from "./advice.js";

/**
 * @typedef {ReturnType<typeof makeAnswers>} Answers
 * @typedef {import("./advice.js").Advice} Advice
 */

/** @type {import("./advice.js").Said[]} */
const SAID = ["yes", "no", OPEN];
/** @type {Record<string, string>} */
const SIGNS = { events: "▲", changes: "◆", rows: "▼", wait: "✕", cost: "○" };
const KEYS = [
  ["↑ ↓", "the question before, the next one"],
  ["← →", "another answer"],
  ["y, n, u", "yes, no, not yet sure; then the next question"],
  ["Home, End", "the first question, the last one"],
  ["r", "start again"],
  ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];
const MEANINGS = {
  y: "yes",
  n: "no",
  u: OPEN,
  r: "again",
  "?": "keys",
  Home: "first",
  End: "last",
  Escape: "leave",
};

/** @param {import("../shared/kernel.js").Model} model */
export function makeAnswers(model) {
  /** @type {import("./advice.js").Content} */
  const content = contentOf(model);
  const s = {
    given: { ...(model.get("given") ?? {}) },
    projector: Boolean(model.get("projector")),
    keys: false,
  };
  const { emit, listen } = speaker();
  const read = () => {
    s.given = { ...(model.get("given") ?? {}) };
    s.projector = Boolean(model.get("projector"));
    emit();
  };
  model.on("change:given", read);
  model.on("change:projector", read);
  const give = (given) => {
    s.given = given;
    saveTo(model, "given", given);
    emit();
  };
  return {
    content,
    s,
    emit,
    listen,
    /**
     * @param {string} key
     * @param {string} answer
     */
    say: (key, answer) => give({ ...s.given, [key]: answer }),
    again: () => give({}),
    toggleKeys() {
      s.keys = !s.keys;
      emit();
    },
    project() {
      s.projector = !s.projector;
      saveTo(model, "projector", s.projector);
      emit();
    },
  };
}

let views = 0;

/**
 * One question: its radio buttons, and where its answer pushes.
 * @param {Answers} list
 * @param {string} id
 * @param {import("./advice.js").Item} item
 * @param {number} n
 */
function questionOf(list, id, item, n) {
  const radios = SAID.map((answer) =>
    make("input", {
      type: "radio",
      name: `${id}-${item.key}`,
      value: answer,
      ...suppress,
      onchange: () => list.say(item.key, answer),
    }),
  );
  const said = radios.map((radio, k) => {
    const text = SAID[k] === OPEN ? "not yet sure" : SAID[k];
    return make("label", { class: "w-choice" }, radio, make("span", {}, text));
  });
  const push = make("p", { class: "ck-push" });
  const legend = make("legend", {}, `${n + 1}. ${item.text}`);
  const answers = make("div", { class: "ck-said" }, said);
  return { item, radios, push, set: make("fieldset", { class: "ck-item" }, legend, answers, push) };
}

/**
 * What was answered, and where each answer pushes.
 * @param {ReturnType<typeof questionOf>[]} rows
 * @param {Answers} list
 * @param {Advice} advice
 */
function showAnswers(rows, { content, s }, advice) {
  const words = Object.fromEntries(content.words);
  const pushed = new Map(advice.pushes.map(([key, , to, why]) => [key, [to, why]]));
  for (const { item, radios, push, set } of rows) {
    const said = s.given[item.key] ?? OPEN;
    for (const radio of radios) radio.checked = radio.value === said;
    const [to, why] = pushed.get(item.key) ?? ["", said === OPEN ? "" : item[said][1]];
    set.dataset.to = to;
    push.replaceChildren(...(to ? [make("b", {}, `${SIGNS[to]} ${words[to]}: `)] : []), why);
    push.classList.toggle("w-soft", !to);
  }
}

/**
 * The questions: one tab stop for all, the one in which the focus was last.
 * @param {Answers} list
 */
function questionsOf(list) {
  views += 1;
  const id = `ck${views}`;
  const rows = list.content.items.map((item, n) => questionOf(list, id, item, n));
  const element = make(
    "div",
    { class: "ck-items" },
    rows.map((row) => row.set),
  );
  let current = 0;
  const here = () => rows.findIndex((row) => row.set.contains(document.activeElement));
  function stops() {
    rows.forEach((row, n) =>
      row.radios.forEach((radio) => {
        radio.tabIndex = n === current ? 0 : -1;
      }),
    );
  }
  /** @param {number} n */
  function focusOn(n) {
    current = Math.max(0, Math.min(rows.length - 1, n));
    stops();
    rows[current].radios.find((radio) => radio.checked).focus();
  }
  element.addEventListener("focusin", () => {
    if (here() >= 0) current = here();
    stops();
  });
  /** @param {Advice} advice */
  function update(advice) {
    showAnswers(rows, list, advice);
    stops();
  }
  return {
    element,
    update,
    focusOn,
    rows,
    at: () => (here() >= 0 ? here() : current),
    step: (by) => focusOn(here() + by),
  };
}

/**
 * What a verdict rests on: lists of reasons, each with its label.
 * @param {import("./advice.js").Content} content
 * @param {Advice} advice
 */
function groundsFor(content, advice) {
  const titles = Object.fromEntries(content.verdicts.map(([key, title]) => [key, title]));
  const texts = Object.fromEntries(content.items.map((item) => [item.key, item.text]));
  const pushing = (to) => advice.pushes.filter((push) => push[2] === to).map(([, , , why]) => why);
  /** @type {(word: [string, string]) => [string, string[]]} */
  const direction = ([to, word]) => [`${SIGNS[to]} ${word}`, pushing(to)];
  /** @type {[string, string[]][]} */
  const groups = [
    ...content.words.map(direction),
    ["Still open, and could change it", advice.open.map((key) => texts[key])],
    [
      "One other answer would change it",
      advice.decides.map(([key, to]) => `${texts[key]} → ${titles[to]}`),
    ],
  ];
  return groups
    .filter(([, lines]) => lines.length)
    .flatMap(([label, lines]) => {
      const items = lines.map((line) => make("li", {}, line));
      return [make("p", { class: "ck-label" }, label), make("ul", {}, items)];
    });
}

/**
 * @param {Answers} list
 */
function verdictOf({ content, s }) {
  const titles = Object.fromEntries(content.verdicts.map(([key, title]) => [key, title]));
  const title = make("h3", { class: "ck-title" });
  const what = make("p", {});
  const grounds = make("div", { class: "ck-grounds" });
  const element = make(
    "section",
    { class: "w-panel ck-verdict", "aria-label": "Verdict", ...suppress },
    title,
    what,
    grounds,
  );
  /** @param {Advice} advice */
  function update(advice) {
    // In a hall it may be longer than its place, and has to be scrolled by keys too.
    if (s.projector) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
    const name = advice.verdict
      ? titles[advice.verdict]
      : `Not decided: ${advice.possible.length} verdicts are possible`;
    write(title, name);
    write(
      what,
      advice.verdict
        ? content.verdicts.find(([key]) => key === advice.verdict)[2]
        : advice.possible.map((key) => titles[key]).join("; "),
    );
    grounds.replaceChildren(...groundsFor(content, advice));
    return name;
  }
  return { element, update };
}

/**
 * Before the radio buttons see them: up and down go to another question, not to another answer.
 * @param {HTMLElement} root
 * @param {(step: number) => void} go
 */
function takeArrows(root, go) {
  const take = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.type !== "radio") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    go(step);
  };
  root.addEventListener("keydown", take, true);
}

/**
 * @param {HTMLElement} root
 * @param {Answers} list
 * @param {{groups: any, questions: ReturnType<typeof questionsOf>, verdict: HTMLElement, update: () => void}} of
 */
function listen(root, list, { groups, questions, verdict, update }) {
  takeArrows(root, questions.step);
  listenKeys(root, groups, {
    action: (key) => MEANINGS[key],
    act(name) {
      if (name === "again") list.again();
      else if (name === "keys") list.toggleKeys();
      else if (name === "first") questions.focusOn(0);
      else if (name === "last") questions.focusOn(questions.rows.length - 1);
      else {
        const at = questions.at();
        list.say(questions.rows[at].item.key, name);
        update();
        questions.focusOn(at + 1);
      }
    },
    leave() {
      const was = list.s.keys;
      if (was) list.toggleKeys();
      return was;
    },
    upDown(step, target) {
      if (target === verdict) verdict.scrollBy(0, 60 * step);
      else questions.focusOn(questions.at() + step);
    },
  });
}

/**
 * @param {Answers} list
 * @param {HTMLElement} el
 */
export function checklistView(list, el) {
  const { content, s } = list;
  const again = button("start again", () => list.again(), {
    title: "all answers: not yet sure (r)",
  });
  const projector = button("projector", () => list.project(), {
    title: "large, for a lecture hall",
  });
  const keys = button("keys ?", () => list.toggleKeys(), { title: "what the keys do (?)" });
  const tools = bar("checklist", again, projector, keys);
  const count = make("span", { class: "w-count" });
  const questions = questionsOf(list);
  const verdict = verdictOf(list);
  const live = make("p", { class: "w-live", role: "status", "aria-live": "polite" });
  const help = make("div", { class: "w-panel" }, keyList(KEYS));
  const root = make(
    "section",
    { class: "esnb-checklist", tabindex: "-1", ...suppress, "aria-label": content.title },
    make("div", { class: "w-head" }, make("strong", { class: "w-title" }, content.title), count),
    tools,
    help,
    make("div", { class: "ck-both" }, questions.element, verdict.element),
    live,
  );
  el.append(root);
  const groups = rover([tools]);
  function update() {
    root.classList.toggle("w-projector", s.projector);
    press(projector, s.projector);
    press(keys, s.keys);
    help.hidden = !s.keys;
    const advice = adviceOf(content, s.given);
    const done = content.items.filter((item) => (s.given[item.key] ?? OPEN) !== OPEN).length;
    write(count, `${done} / ${content.items.length}`);
    questions.update(advice);
    write(live, `${done} answered. ${verdict.update(advice)}`);
    groups.all();
  }
  listen(root, list, { groups, questions, verdict: verdict.element, update });
  return keepDrawn(list.listen, update);
}
