// The view of Checklist: ten questions and a verdict. The rule is Python's: the page counts answers
// and looks the verdict up in Python's table. Python puts page.js in front of this file.
import { bar, button, contentOf, keepDrawn, keyList, listenKeys, make, rover, speaker, suppress,
  widgetOf, write } from "./page.js";

const OPEN = "not sure";
const SAID = ["yes", "no", OPEN];
const SIGNS = { events: "▲", changes: "◆", rows: "▼", wait: "✕", cost: "○" };
const CHECK_KEYS = [
  ["↑ ↓", "the question before, the next one"], ["← →", "another answer"],
  ["y, n, u", "yes, no, not yet sure; then the next question"],
  ["Home, End", "the first question, the last one"],
  ["r", "start again"], ["?", "this list"], ["Esc", "leave; twice: back to the notebook"],
];

// -- the pure part: no page, no kernel ------------------------------------------------------------

/** For each number of the rule, the least and the most it can become. */
export function rangesOf(content, given) {
  return content.numbers.map((name) => {
    const mine = content.items.filter((item) => item.counts?.[0] === name);
    const sure = mine.filter((item) => given[item.key] === item.counts[1]).length;
    const open = mine.filter((item) => (given[item.key] ?? OPEN) === OPEN).length;
    return [sure, sure + open];
  });
}

function everyOf(ranges) {
  return ranges.reduce((all, [least, most]) => all.flatMap((numbers) =>
    Array.from({ length: most - least + 1 }, (_, n) => [...numbers, least + n])), [[]]);
}

export function possibleOf(content, given) {
  const found = new Set(everyOf(rangesOf(content, given)).map((n) => content.table[n.join("")]));
  return content.verdicts.map(([key]) => key).filter((key) => found.has(key));
}

/** The same as `advise` in Python: verdict, possible, pushes, open, decides. */
export function adviceOf(content, given) {
  const said = (item) => given[item.key] ?? OPEN;
  const possible = possibleOf(content, given);
  const pushes = content.items.filter((item) => said(item) !== OPEN && item[said(item)][0])
    .map((item) => [item.key, said(item), ...item[said(item)]]);
  const matters = (item) => {
    if (!item.counts) return false;
    const at = content.numbers.indexOf(item.counts[0]);
    const other = item.counts[1] === "no" ? "yes" : "no";
    return everyOf(rangesOf(content, { ...given, [item.key]: other })).some((numbers) =>
      content.table[numbers.join("")] !== content.table[numbers.map((n, i) => n + (i === at)).join("")]);
  };
  const open = content.items.filter((item) => said(item) === OPEN && matters(item)).map((i) => i.key);
  const decides = [];
  if (possible.length === 1)
    for (const item of content.items.filter((one) => said(one) !== OPEN)) {
      const flipped = { ...given, [item.key]: said(item) === "yes" ? "no" : "yes" };
      const other = possibleOf(content, flipped);
      if (other.length === 1 && other[0] !== possible[0]) decides.push([item.key, other[0]]);
    }
  return { verdict: possible.length === 1 ? possible[0] : "", possible, pushes, open, decides };
}

// -- the answers of a model -----------------------------------------------------------------------

function makeAnswers(model) {
  const content = contentOf(model);
  const s = { given: { ...(model.get("given") ?? {}) }, projector: Boolean(model.get("projector")), keys: false };
  const { emit, listen } = speaker();
  const read = () => {
    s.given = { ...(model.get("given") ?? {}) };
    s.projector = Boolean(model.get("projector"));
    emit();
  };
  model.on("change:given", read);
  model.on("change:projector", read);
  return {
    content, s, emit, listen,
    say(key, answer) {
      s.given = { ...s.given, [key]: answer };
      model.set("given", s.given);
      model.save_changes();
      emit();
    },
    again() {
      s.given = {};
      model.set("given", {});
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

// -- the view -------------------------------------------------------------------------------------

let viewsSoFar = 0;

function checklistView(list, el) {
  const { content, s } = list;
  const id = `ck${(viewsSoFar += 1)}`;
  const titles = Object.fromEntries(content.verdicts.map(([key, title]) => [key, title]));
  const texts = Object.fromEntries(content.items.map((item) => [item.key, item.text]));

  const root = make("section", { class: "esnb-checklist", tabindex: "-1", ...suppress, "aria-label": content.title });
  const again = button("start again", () => list.again(), { title: "all answers: not yet sure (r)" });
  const projector = button("projector", () => list.project(), { title: "large, for a lecture hall" });
  const keys = button("keys ?", () => toggleKeys(), { title: "what the keys do (?)" });
  const tools = bar("checklist", again, projector, keys);
  const count = make("span", { class: "w-count" });
  const rows = content.items.map((item, n) => {
    const radios = SAID.map((answer) => make("input", {
      type: "radio", name: `${id}-${item.key}`, value: answer, ...suppress,
      onchange: () => list.say(item.key, answer),
    }));
    const push = make("p", { class: "ck-push" });
    const set = make("fieldset", { class: "ck-item" },
      make("legend", {}, `${n + 1}. ${item.text}`),
      make("div", { class: "ck-said" }, radios.map((radio, k) =>
        make("label", { class: "w-choice" }, radio, make("span", {}, SAID[k] === OPEN ? "not yet sure" : SAID[k])))),
      push);
    return { item, radios, push, set };
  });
  const questions = make("div", { class: "ck-items" }, rows.map((row) => row.set));
  const title = make("h3", { class: "ck-title" });
  const what = make("p", {});
  const grounds = make("div", { class: "ck-grounds" });
  const verdict = make("section", { class: "w-panel ck-verdict", "aria-label": "Verdict", ...suppress }, title, what, grounds);
  const live = make("p", { class: "w-live", role: "status", "aria-live": "polite" });
  const help = make("div", { class: "w-panel" }, keyList(CHECK_KEYS));
  help.hidden = true;
  root.append(make("div", { class: "w-head" }, make("strong", { class: "w-title" }, content.title), count), tools, help,
    make("div", { class: "ck-both" }, questions, verdict), live);
  el.append(root);

  // One tab stop for all questions: the one in which the focus was last.
  let current = 0;
  const here = () => rows.findIndex((row) => row.set.contains(document.activeElement));
  const focusOn = (n) => {
    current = Math.max(0, Math.min(rows.length - 1, n));
    stops();
    rows[current].radios.find((radio) => radio.checked).focus();
  };
  function stops() {
    rows.forEach((row, n) => row.radios.forEach((radio) => { radio.tabIndex = n === current ? 0 : -1; }));
  }
  questions.addEventListener("focusin", () => {
    if (here() >= 0) current = here();
    stops();
  });
  function toggleKeys() {
    s.keys = !s.keys;
    list.emit();
  }
  const groups = rover([tools]);
  // Before the radio buttons see them: up and down go to another question, not to another answer.
  root.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.type !== "radio" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    focusOn(here() + step);
  }, true);
  listenKeys(root, groups, {
    action: (key) => ({ y: "yes", n: "no", u: OPEN, r: "again", "?": "keys", Home: "first", End: "last", Escape: "leave" })[key],
    act(name) {
      if (name === "again") list.again();
      else if (name === "keys") toggleKeys();
      else if (name === "first") focusOn(0);
      else if (name === "last") focusOn(rows.length - 1);
      else {
        const at = here() >= 0 ? here() : current;
        list.say(rows[at].item.key, name);
        update();
        focusOn(at + 1);
      }
    },
    leave() {
      const was = s.keys;
      s.keys = false;
      if (was) list.emit();
      return was;
    },
    upDown(step, target) {
      if (target === verdict) verdict.scrollBy(0, 60 * step);
      else focusOn(current + step);
    },
  });

  const group = (label, lines) => (lines.length
    ? [make("p", { class: "ck-label" }, label), make("ul", {}, lines.map((line) => make("li", {}, line)))] : []);

  function update() {
    root.classList.toggle("w-projector", s.projector);
    projector.setAttribute("aria-pressed", String(s.projector));
    keys.setAttribute("aria-pressed", String(s.keys));
    help.hidden = !s.keys;
    // In a hall it may be longer than its place, and has to be scrolled by keys too.
    if (s.projector) verdict.tabIndex = 0;
    else verdict.removeAttribute("tabindex");
    const advice = adviceOf(content, s.given);
    const done = content.items.filter((item) => (s.given[item.key] ?? OPEN) !== OPEN).length;
    write(count, `${done} / ${rows.length}`);
    const pushed = Object.fromEntries(advice.pushes.map(([key, , to, why]) => [key, [to, why]]));
    const words = Object.fromEntries(content.words);
    for (const { item, radios, push, set } of rows) {
      const said = s.given[item.key] ?? OPEN;
      radios.forEach((radio) => { radio.checked = radio.value === said; });
      const [to, why] = pushed[item.key] ?? ["", said === OPEN ? "" : item[said][1]];
      set.dataset.to = to;
      push.replaceChildren(...(to ? [make("b", {}, `${SIGNS[to]} ${words[to]}: `)] : []), why);
      push.classList.toggle("w-soft", !to);
    }
    const name = advice.verdict ? titles[advice.verdict] : `Not decided: ${advice.possible.length} verdicts are possible`;
    write(title, name);
    write(what, advice.verdict ? content.verdicts.find(([key]) => key === advice.verdict)[2]
      : advice.possible.map((key) => titles[key]).join("; "));
    grounds.replaceChildren(
      ...content.words.flatMap(([to, word]) => group(`${SIGNS[to]} ${word}`,
        advice.pushes.filter((push) => push[2] === to).map(([, , , why]) => why))),
      ...group("Still open, and could change it", advice.open.map((key) => texts[key])),
      ...group("One other answer would change it", advice.decides.map(([key, to]) => `${texts[key]} → ${titles[to]}`)));
    write(live, `${done} answered. ${name}`);
    stops();
    groups.all();
  }

  return keepDrawn(list.listen, update);
}

const widget = widgetOf(makeAnswers, checklistView);
export default widget;
