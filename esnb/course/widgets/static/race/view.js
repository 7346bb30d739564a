// The view of Race: who moves next, the picture, and what stands below it.
import { bar, button, copy, make, press, set, suppress, write } from "../shared/elements.js";
import { listenKeys, rover } from "../shared/keys.js";
import { keepDrawn } from "../shared/life.js";
import { plural } from "../shared/words.js";
import { lanesOf } from "./lanes.js";
import { raceAction } from "./moves.js";
import { panelOf } from "./panel.js";

/** @typedef {import("./race.js").Race} Race */

const LETTERS = ["A", "B"];
let views = 0;

/** @param {Race} race */
function headOf(race) {
  const { payload, s } = race;
  const count = make("div", { class: "w-count", "aria-hidden": "true" });
  const element = make(
    "div",
    { class: "w-head" },
    make("div", { class: "w-title" }, make("strong", {}, payload.title), ` ${payload.stream}`),
    count,
  );
  return { element, update: () => write(count, `step ${s.at}`) };
}

/**
 * The writers' next steps, and what can go wrong.
 * @param {Race} race
 */
function moversOf(race) {
  const { payload, s } = race;
  const titles = payload.names.map(race.shown);
  const troubleOf = (k) => race.trouble().find(([move]) => move[0] === LETTERS[k]);
  const movers = LETTERS.map((letter, k) =>
    button("", () => race.act(letter), {
      class: "rc-mover",
      title: `${titles[k]}'s next step (${letter.toLowerCase()})`,
    }),
  );
  const troubles = LETTERS.map((_, k) =>
    button("", () => race.take(troubleOf(k)[0]), { class: "rc-trouble" }),
  );
  const undo = button("step back", () => race.act("back"), { title: "step back (left arrow)" });
  const again = button("start again", () => race.act("start"), { title: "start again (Home)" });
  const forth = button("next step", () => race.act("next"), {
    title: "next step of the schedule (right arrow)",
  });
  const element = bar("who moves next", movers, undo, forth, again, troubles);
  function update() {
    LETTERS.forEach((letter, k) => {
      const mine = race.options().find(([move]) => move === letter);
      write(movers[k], `${titles[k]}: ${mine ? mine[1] : "done"}`);
      set(movers[k], "aria-disabled", !mine || Boolean(s.gate));
      const trouble = s.gate ? null : troubleOf(k);
      if (!trouble && troubles[k] === document.activeElement) movers[k].focus(); // it goes; the focus stays
      troubles[k].hidden = !trouble;
      write(troubles[k], `${titles[k]}: ${trouble ? trouble[1] : "nothing can go wrong"}`);
    });
    set(undo, "aria-disabled", !s.at && !s.gate);
    set(again, "aria-disabled", !s.at);
    set(forth, "aria-disabled", s.at >= s.plan.length && race.options().length !== 1);
  }
  /** The button of the writer who moved last. */
  const mover = () => movers[LETTERS.indexOf(race.node().move?.[0])] ?? movers[0];
  return { element, update, mover };
}

/**
 * @param {Race} race
 * @param {string} id
 */
function optionsOf(race, id) {
  const { s } = race;
  const guard = button("guard", () => race.act("guard"), { "aria-describedby": `${id}-guard` });
  const told = make("span", { class: "w-soft", id: `${id}-guard` });
  const every = button("all 20 schedules", () => race.act("schedules"));
  const projector = button("projector", () => race.setProjector(!s.projector));
  const keys = button("keys ?", () => race.act("keys"));
  const element = bar(
    "options",
    guard,
    told,
    make("span", { class: "rc-gap" }),
    every,
    projector,
    keys,
  );
  function update() {
    press(guard, s.guard);
    write(
      told,
      s.guard ? "on: an append states the version it has read" : "off: an append takes any version",
    );
    press(every, s.panel === "schedules");
    press(projector, s.projector);
    press(keys, s.panel === "keys");
  }
  return { element, update };
}

/** @param {Race} race */
function planOf(race) {
  const { s } = race;
  const element = make("div", { class: "rc-plan" });
  const update = () =>
    element.replaceChildren(
      make("span", { class: "w-soft" }, "schedule "),
      make("b", {}, race.path() || "none yet"),
      ...(s.at < s.plan.length
        ? [make("span", { class: "rc-later" }, ` ${s.plan.slice(s.at).join("")}`)]
        : []),
    );
  return { element, update };
}

/**
 * The rule that has to hold, and the line of Python.
 * @param {Race} race
 */
function footOf(race) {
  const { payload, s } = race;
  const rule = make("p", { class: "rc-invariant" });
  const code = make("code");
  const copied = button("copy", () => copy(copied, code.textContent), {
    class: "rc-copy",
    "aria-label": "copy the line of code",
  });
  const element = make(
    "div",
    { class: "rc-foot" },
    rule,
    make("div", { class: "w-code" }, make("span", { class: "w-soft" }, "code"), code, copied),
  );
  /** @param {HTMLElement} root */
  function update(root) {
    const { sold, code: line } = race.node();
    const holds = sold <= payload.pieces;
    root.classList.toggle("rc-broken", !holds);
    rule.replaceChildren(
      make("span", { class: "w-soft" }, "rule: sold ≤ received  "),
      make("b", {}, `${sold} ${holds ? "≤" : "≰"} ${payload.pieces} `),
      make(
        "strong",
        {},
        holds ? "holds" : `BROKEN: ${plural(sold - payload.pieces, "lamp")} too many`,
      ),
    );
    write(code, s.gate ? race.gate().code : line);
  }
  return { element, update };
}

/**
 * @param {Race} race
 * @param {HTMLElement} el
 */
export function raceView(race, el) {
  const { payload, s } = race;
  views += 1;
  const id = `rc${views}`;
  const head = headOf(race);
  const movers = moversOf(race);
  const options = optionsOf(race, id);
  const plan = planOf(race);
  const lanes = lanesOf(race);
  const say = make("p", { class: "rc-say", role: "status", "aria-live": "polite" });
  const panel = panelOf(race, id, { scroller: lanes.element, mover: movers.mover });
  const foot = footOf(race);
  const root = make(
    "div",
    {
      class: "esnb-race",
      role: "group",
      tabindex: "-1",
      ...suppress,
      "aria-label": `race: ${payload.names.map(race.shown).join(" and ")}, ${payload.lamps}`,
    },
    head.element,
    movers.element,
    options.element,
    plan.element,
    lanes.element,
    say,
    panel.element,
    foot.element,
  );
  el.replaceChildren(root);
  const groups = rover([movers.element, options.element, panel.element]);
  listenKeys(root, groups, {
    action: (key) => raceAction(key, s.projector),
    act: race.act,
    leave: race.leave,
    upDown: (steps) => lanes.element.scrollBy(0, 40 * steps),
  });
  function update() {
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("rc-asking", Boolean(s.gate));
    for (const part of [head, movers, options, plan, lanes]) part.update();
    panel.update(root);
    write(say, s.problem || (s.gate ? "Predict first, then it is shown." : race.node().say));
    foot.update(root);
    groups.all();
  }
  return keepDrawn(race.listen, update);
}
