// The head and the controls of TimeTravel: move, go to, options. Each row is one stop of the tab key.
import {
  bar,
  button,
  iconButton,
  make,
  press,
  set,
  suppress,
  toggleButton,
  write,
} from "../shared/elements.js";
import { exampleTime } from "../shared/words.js";
import { SPEEDS } from "./moves.js";

/** @typedef {import("./types.js").Clock} Clock */

/**
 * The class that folds; where none was given, what is shown.
 * @param {import("./types.js").Face} face
 */
const nameOf = ({ kind, given }) => (given ? kind : "the latest values");

/** @param {Clock} clock */
export function headOf(clock) {
  const { payload, n, s } = clock;
  const kind = make("span");
  const count = make("div", { class: "w-count", "aria-hidden": "true" });
  const element = make(
    "div",
    { class: "tt-head" },
    make("div", { class: "w-title" }, make("strong", {}, payload.id), " as ", kind),
    count,
  );
  const update = () => {
    write(kind, nameOf(clock.face()));
    write(count, `${s.at} / ${n}`);
  };
  return { element, update };
}

/** @param {Clock} clock */
export function transportOf(clock) {
  const { n, s } = clock;
  const does = (name) => () => clock.act(name);
  const start = iconButton("before the first event (Home)", does("start"), ["start"]);
  const back = iconButton("one step back (left arrow)", does("back"), ["back"]);
  const play = iconButton("play (Space)", does("play"), ["play", "pause"], {
    "aria-pressed": "false",
    class: "w-play",
  });
  const next = iconButton("one step forward (right arrow)", does("next"), ["next"]);
  const end = iconButton("after the last event (End)", does("end"), ["end"]);
  const element = bar("move", start, back, play, next, end);
  const update = () => {
    press(play, s.playing);
    set(play, "aria-label", s.playing ? "pause (Space)" : "play (Space)");
    play.classList.toggle("w-on", s.playing);
    back.disabled = start.disabled = s.at === 0;
    next.disabled = end.disabled = s.at === n;
  };
  return { element, update };
}

/**
 * A number and a time to go to.
 * @param {Clock} clock
 * @param {string} id
 */
export function goToOf(clock, id) {
  const { payload, n, s } = clock;
  const number = make("input", {
    type: "number",
    min: 0,
    max: n,
    step: 1,
    ...suppress,
    id: `${id}-n`,
    "aria-label": `event number, 0 to ${n}`,
    class: "tt-number",
    style: `width:${Math.max(5.2, 3.4 + 0.66 * String(n).length)}em`,
  });
  const time = make("input", {
    type: "text",
    ...suppress,
    placeholder: exampleTime(payload.time),
    "aria-label": "go to a time, UTC, inclusive",
    class: "tt-timebox",
    spellcheck: "false",
  });
  number.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") clock.go(number.value);
    if (key === "Escape") number.value = String(s.at);
  });
  number.addEventListener("change", () => {
    if (number.value !== String(s.at)) clock.go(number.value);
  });
  time.addEventListener("keydown", ({ key }) => {
    if (key === "Enter" && clock.go(time.value)) time.value = "";
  });
  const element = make(
    "div",
    { class: "w-bar tt-goto" },
    number,
    make("span", {}, `of ${n}`),
    make("label", {}, make("span", { class: "tt-wide" }, "at time (UTC) "), time),
  );
  return {
    element,
    update: () => {
      if (document.activeElement !== number) number.value = String(s.at);
    },
    focus: () => {
      number.focus();
      number.select();
    },
  };
}

/** @param {Clock} clock */
export function optionsOf(clock) {
  const { s } = clock;
  const stepBy = toggleButton("step by command", () =>
    clock.change({ stepBy: s.stepBy === "event" ? "command" : "event" }),
  );
  const byTime = toggleButton("clock axis", () => clock.change({ byTime: !s.byTime }));
  const fold = clock.faces.length > 1 ? button("fold", () => clock.nextFold()) : null;
  const speed = button("speed", () => clock.change({ speed: (s.speed + 1) % SPEEDS.length }));
  const projector = toggleButton("projector", () => clock.setProjector(!s.projector));
  const keys = toggleButton("keys ?", () => clock.act("keys"));
  const element = bar("options", stepBy, byTime, fold, speed, projector, keys);
  element.classList.add("tt-options");
  const update = () => {
    press(stepBy, s.stepBy === "command");
    press(byTime, s.byTime);
    press(projector, s.projector);
    press(keys, s.panel === "keys");
    write(speed, `speed ${SPEEDS[s.speed][0]}`);
    if (fold) write(fold, `fold: ${nameOf(clock.face())}`);
  };
  return { element, update };
}
