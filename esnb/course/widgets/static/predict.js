// The views of a prediction: the question with its input, and the answer, which stays covered until
// there is a guess. Both work without a kernel: they hear of each other through the page.
import { button, make, suppress, write } from "./shared/elements.js";
import { guessKey, guessShown, revealed, withHand } from "./shared/guess.js";
import { contentOf, speaker } from "./shared/kernel.js";
import { listenKeys, rover } from "./shared/keys.js";
import { keepDrawn, widgetOf } from "./shared/life.js";

const GUESSED = "esnb-guessed";
const SYNCED = ["_guess", "_hands", "_shown", "projector"];
const QUESTION_KEYS = { Escape: "leave" };

// -- the guess of a model -------------------------------------------------------------------------

function makeGuessing(model) {
  const content = contentOf(model);
  const s = { guess: "", hands: [], shown: false, projector: false };
  const { emit, listen } = speaker();
  const read = () => {
    s.guess = model.get("_guess") ?? "";
    s.hands = model.get("_hands") ?? [];
    s.shown = Boolean(model.get("_shown"));
    s.projector = Boolean(model.get("projector"));
    emit();
  };
  SYNCED.forEach((name) => model.on(`change:${name}`, read));
  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
    read();
  };
  read();
  return {
    content,
    s,
    listen,
    say: (guess) => set("_guess", guess.trim()),
    hand: (answer, step) => set("_hands", withHand(content, s.hands, answer, step)),
    count: (hands) => set("_hands", hands),
    show: () => set("_shown", true),
    project: () => set("projector", !s.projector),
  };
}

// -- the page in between --------------------------------------------------------------------------

/** Two notebooks on one page do not hear each other. */
const placeOf = (el) => el.closest(".jp-Notebook") ?? document;

/** Tell the page of a change, and hear of those that others tell. */
function joinPage(el, guessing, hear) {
  const { content, s } = guessing;
  /** @param {Event} event */
  const heard = (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    if (detail.from === guessing || detail.name !== content.name) return;
    if (detail.place === placeOf(el)) hear(detail);
  };
  document.addEventListener(GUESSED, heard);
  let told = JSON.stringify([s.guess, s.hands, s.projector]);
  return {
    tell() {
      const now = JSON.stringify([s.guess, s.hands, s.projector]);
      if (now === told) return;
      told = now;
      const detail = { from: guessing, name: content.name, place: placeOf(el), ...s };
      document.dispatchEvent(new CustomEvent(GUESSED, { detail }));
    },
    leave: () => document.removeEventListener(GUESSED, heard),
  };
}

// -- parts ----------------------------------------------------------------------------------------

let formsSoFar = 0;

/** Radio buttons, or a text field with its unit. With `at_once`, an answer counts when it is there;
 * otherwise when the button is pressed. */
function guessForm({ content, s, say }, atOnce) {
  formsSoFar += 1;
  const id = `guess${formsSoFar}`;
  const commit = () => {
    const picked = read();
    if (picked || atOnce) say(picked);
  };
  const done = button("this is my guess", commit, { class: "pr-done" });
  const {
    element,
    read,
    write: fill,
  } = content.options.length
    ? optionField(content, id, () => atOnce && commit())
    : textField(content, id, commit, atOnce);
  done.hidden = atOnce && content.options.length > 0;
  return { element, done, read, update: () => fill(s.guess) };
}

function optionField(content, id, changed) {
  const radios = content.options.map(([, label]) =>
    make("input", { type: "radio", name: id, value: label, ...suppress, onchange: changed }),
  );
  const rows = radios.map((radio) =>
    make(
      "div",
      { class: "pr-row" },
      make("label", { class: "w-choice" }, radio, make("span", {}, radio.value)),
    ),
  );
  const element = make(
    "fieldset",
    { class: "pr-field" },
    make("legend", {}, content.question),
    rows,
  );
  return {
    element,
    read: () => radios.find((radio) => radio.checked)?.value ?? "",
    write: (guess) =>
      radios.forEach((radio) => {
        if (guess) radio.checked = guessKey(content, radio.value) === guessKey(content, guess);
      }),
  };
}

function textField(content, id, commit, atOnce) {
  const input = make("input", {
    id,
    type: "text",
    maxlength: 200,
    autocomplete: "off",
    inputmode: content.unit ? "decimal" : "text",
    ...suppress,
    "aria-describedby": content.unit ? `${id}-unit` : null,
    onchange: () => atOnce && commit(),
    onkeydown: (event) => {
      if (event.key === "Enter") commit();
    },
  });
  const unit = make("span", { id: `${id}-unit`, class: "pr-unit" }, content.unit);
  const element = make(
    "div",
    { class: "pr-field" },
    make("label", { class: "pr-question", for: id }, content.question),
    make("div", { class: "pr-row" }, input, unit),
  );
  return {
    element,
    read: () => input.value.trim(),
    write: (guess) => {
      if (document.activeElement !== input) input.value = guess;
    },
  };
}

/** Hands for one answer: fewer, the count, more. */
function handCounter(guessing, answer) {
  const shown = guessShown(guessing.content, answer);
  const count = make("span", { class: "pr-count" });
  const step = (sign, by, what) =>
    button(sign, () => guessing.hand(answer, by), { "aria-label": `${what} hand for ${shown}` });
  const element = make(
    "span",
    { class: "pr-hands" },
    step("−", -1, "one less"),
    count,
    step("+", 1, "one more"),
  );
  const update = () => {
    const key = guessKey(guessing.content, answer);
    const found = guessing.s.hands.find(([said]) => guessKey(guessing.content, said) === key);
    write(count, String(found?.[1] ?? 0));
  };
  return { element, update };
}

/** The counts of hands, in projector mode: beside each option, or a list of what was called out. */
function handsOf(guessing, form) {
  const { content, s } = guessing;
  if (content.options.length) {
    const counters = content.options.map(([, label]) => handCounter(guessing, label));
    form.element.querySelectorAll(".pr-row").forEach((row, n) => row.append(counters[n].element));
    return () =>
      counters.forEach(({ element, update }) => {
        element.hidden = !s.projector;
        update();
      });
  }
  const more = button(
    "+ a hand for it",
    () => {
      if (form.read()) guessing.hand(form.read(), 1);
    },
    { title: "count a hand for the answer in the field" },
  );
  const list = make("ul", { class: "pr-called" });
  form.element.querySelector(".pr-row").append(more);
  form.element.append(list);
  let drawn = [];
  return () => {
    more.hidden = list.hidden = !s.projector;
    if (
      JSON.stringify(drawn.map(({ answer }) => answer)) !== JSON.stringify(s.hands.map(([a]) => a))
    ) {
      drawn = s.hands.map(([answer]) => ({ answer, ...handCounter(guessing, answer) }));
      list.replaceChildren(
        ...drawn.map(({ answer, element }) =>
          make("li", { class: "pr-row" }, make("span", {}, guessShown(content, answer)), element),
        ),
      );
    }
    drawn.forEach(({ update }) => update());
  };
}

function frameOf(guessing, label) {
  const root = make("section", {
    class: "esnb-predict",
    tabindex: "-1",
    ...suppress,
    "aria-label": label,
  });
  const projector = button("projector", () => guessing.project(), {
    title: "large, with a count of hands",
  });
  const live = make("p", { class: "w-live", role: "status", "aria-live": "polite" });
  listenKeys(root, rover([]), {
    action: (key) => QUESTION_KEYS[key],
    act() {},
    leave: () => false,
    upDown() {},
  });
  const update = () => {
    root.classList.toggle("w-projector", guessing.s.projector);
    projector.setAttribute("aria-pressed", String(guessing.s.projector));
  };
  return { root, projector, live, update };
}

// -- the question ---------------------------------------------------------------------------------

function questionView(guessing, el) {
  const { content, s } = guessing;
  const frame = frameOf(guessing, `Predict: ${content.question}`);
  const form = guessForm(guessing, true);
  const hands = handsOf(guessing, form);
  const status = make("p", { class: "pr-status" });
  frame.root.append(
    make("div", { class: "pr-head" }, make("strong", {}, "Predict"), frame.projector),
    form.element,
    make("div", { class: "w-bar" }, form.done),
    status,
    frame.live,
  );
  el.append(frame.root);
  const page = joinPage(el, guessing, (other) => {
    if (other.guess !== s.guess) guessing.say(other.guess);
  });
  const stop = keepDrawn(guessing.listen, () => {
    frame.update();
    form.update();
    hands();
    const text = s.guess
      ? `Your guess: ${guessShown(content, s.guess)}. The answer comes further down.`
      : "Commit to an answer before you read on.";
    write(status, text);
    if (s.guess) write(frame.live, text);
    page.tell();
  });
  return () => {
    page.leave();
    stop();
  };
}

// -- the answer -----------------------------------------------------------------------------------

function answerRows({ content, s }) {
  const found = revealed(content, s.guess);
  const lines = found.lines.map(({ name, text, sign }) =>
    make(
      "div",
      { class: "pr-line", "data-sign": sign },
      make("dt", {}, name),
      make(
        "dd",
        {},
        make("b", {}, text),
        sign
          ? make("span", { class: "pr-sign" }, sign === "=" ? " = as you said" : " ≠ the fact")
          : null,
      ),
    ),
  );
  const most = Math.max(1, ...s.hands.map(([, n]) => n));
  const hands = s.hands.map(([answer, n]) =>
    make(
      "div",
      { class: "pr-line" },
      make("dt", {}, guessShown(content, answer)),
      make(
        "dd",
        {},
        make("span", { class: "pr-bar", style: `width:${(12 * n) / most}em` }),
        ` ${n} ${n === 1 ? "hand" : "hands"}${guessKey(content, answer) === content.key ? " = the fact" : ""}`,
      ),
    ),
  );
  const note = found.note ? make("p", { class: "pr-note" }, found.note) : null;
  const said = [...found.lines.map(({ name, text }) => `${name}: ${text}.`), found.note].join(" ");
  return {
    said,
    children: [
      make("dl", { class: "pr-facts" }, lines),
      note,
      hands.length ? make("dl", { class: "pr-facts" }, hands) : null,
    ].filter(Boolean),
  };
}

function answerView(guessing, el) {
  const { content, s } = guessing;
  const frame = frameOf(guessing, `Answer: ${content.question}`);
  const form = guessForm(guessing, false);
  const show = button("show me", () => guessing.show(), { title: "the fact, without a guess" });
  const covered = make(
    "div",
    { class: "pr-covered" },
    form.element,
    make("div", { class: "w-bar" }, form.done, show),
  );
  const question = make("p", { class: "pr-question" }, content.question);
  const open = make("div", { class: "pr-open", tabindex: "-1", ...suppress });
  frame.root.append(
    make(
      "div",
      { class: "pr-head" },
      make("strong", {}, "Your guess and the fact"),
      frame.projector,
    ),
    covered,
    question,
    open,
    frame.live,
  );
  el.append(frame.root);
  const page = joinPage(el, guessing, (other) => {
    if (JSON.stringify(other.hands) !== JSON.stringify(s.hands)) guessing.count(other.hands);
    // What was seen stays beside the guess that it was seen with.
    if (other.guess && !s.guess && !s.shown) guessing.say(other.guess);
  });
  const stop = keepDrawn(guessing.listen, () => {
    frame.update();
    const isOpen = Boolean(s.guess) || s.shown;
    const inside = covered.contains(document.activeElement);
    covered.hidden = isOpen;
    question.hidden = open.hidden = !isOpen;
    if (isOpen) {
      const { said, children } = answerRows(guessing);
      open.replaceChildren(...children);
      write(frame.live, said);
      if (inside) open.focus({ preventScroll: true });
    }
    page.tell();
  });
  return () => {
    page.leave();
    stop();
  };
}

const predictView = (guessing, el) =>
  (guessing.content.kind === "question" ? questionView : answerView)(guessing, el);

const widget = widgetOf(makeGuessing, predictView);
export default widget;
