// The controls of Lag. A group of radio buttons is one stop of the tab key, and so is a toolbar.
import {
  bar,
  button,
  choice,
  iconButton,
  make,
  press,
  toggleButton,
  write,
} from "../shared/elements.js";

/** @typedef {import("./clock.js").Clock} Clock */

const HANDLERS = {
  transaction: "in one transaction",
  idempotent: "apart, handler idempotent",
  adds: "apart, handler adds",
};
/** @type {Record<string, string>} */
export const POLICIES = {
  "as is": "as is",
  wait: "wait for my position",
  stream: "read the stream",
};

/**
 * @param {string} id
 * @param {string} name
 * @param {string} title
 * @param {[any, string][]} choices
 * @param {(value: any) => void} onpick
 */
function radios(id, name, title, choices, onpick) {
  const made = choices.map(([value, text]) => ({
    value,
    label: choice(`${id}-${name}`, text, () => onpick(value)),
  }));
  return {
    element: make(
      "fieldset",
      { class: `lg-radios lg-${name}` },
      make("legend", {}, title),
      made.map(({ label }) => label),
    ),
    show(chosen, disabled = false) {
      for (const { value, label } of made) {
        const input = label.querySelector("input");
        input.checked = value === chosen;
        input.disabled = disabled;
      }
    },
  };
}

/** @param {Clock} clock */
export function topOf(clock) {
  const { day, s } = clock;
  const does = (name) => () => clock.act(name);
  const start = iconButton("begin of the day (Home)", does("start"), ["start"]);
  const back = iconButton("one second back (left arrow)", does("back"), ["back"]);
  const play = iconButton("play (Space)", does("play"), ["play", "pause"], {
    "aria-pressed": "false",
    class: "w-play",
  });
  const next = iconButton("one second on (right arrow)", does("next"), ["next"]);
  const end = iconButton("end of the day (End)", does("end"), ["end"]);
  const predict = button("predict p", does("predict"));
  const projector = toggleButton("projector", () => clock.setTo("projector", !s.projector));
  const keys = toggleButton("keys ?", does("keys"));
  const transport = bar("move", start, back, play, next, end);
  const options = bar("options", predict, projector, keys);
  const count = make("div", { class: "w-count", "aria-hidden": "true" });
  const element = make(
    "div",
    { class: "lg-top" },
    make("strong", { class: "w-title" }, "Projection lag"),
    transport,
    options,
    count,
  );
  function update() {
    write(count, `${s.at} / ${day.seconds} s`);
    play.classList.toggle("w-on", s.playing);
    press(play, s.playing);
    press(projector, s.projector);
    press(keys, s.keys);
    start.disabled = back.disabled = s.at === 0;
    next.disabled = end.disabled = s.at >= day.seconds;
    predict.disabled = s.at < clock.pays();
  }
  return { element, groups: [transport, options], update };
}

/**
 * What the operator can do, and how the read model is kept.
 * @param {Clock} clock
 * @param {string} id
 */
export function operatorOf(clock, id) {
  const { day, s } = clock;
  /** @type {(n: number) => [number, string]} */
  const rate = (n) => [n, String(n)];
  const pause = toggleButton("pause projection", () =>
    clock.operate(clock.tick().paused !== clock.pending() ? "resume" : "pause"),
  );
  const crash = button("crash", () => clock.operate(clock.tick().crashed ? "restart" : "crash"));
  const rebuild = button("rebuild from 0", () => clock.operate("rebuild"));
  const clear = button("undo all", () => clock.clear());
  const tools = bar("projection", pause, crash, rebuild, clear);
  const writes = radios(id, "write", "writes / s", day.write_rates.map(rate), (n) =>
    clock.operate("write", n),
  );
  const projects = radios(id, "project", "projection / s", day.project_rates.map(rate), (n) =>
    clock.operate("project", n),
  );
  const handler = radios(
    id,
    "handler",
    "read model and position",
    Object.entries(HANDLERS),
    (name) => clock.setTo("handler", name),
  );
  const element = make(
    "div",
    { class: "lg-controls" },
    writes.element,
    projects.element,
    tools,
    handler.element,
  );
  const later = (what, now) =>
    s.script.find((step) => step[0] === s.at && step[1] === what)?.[2] ?? now;
  function update() {
    const t = clock.tick();
    const atEnd = s.at >= day.seconds;
    const asked = Boolean(s.quiz) && !s.quiz.committed;
    press(pause, clock.pending() ? !t.paused : t.paused);
    write(crash, t.crashed ? "restart" : "crash");
    pause.disabled = atEnd || t.crashed;
    crash.disabled = atEnd || asked;
    rebuild.disabled = atEnd || asked || t.rebuild !== null;
    clear.disabled = !s.script.length;
    writes.show(later("write", t.writes), atEnd);
    projects.show(later("project", t.projects), atEnd);
    handler.show(s.handler);
  }
  return { element, groups: [tools], update };
}

/**
 * How Bob's page reads.
 * @param {Clock} clock
 * @param {string} id
 */
export function policyOf(clock, id) {
  const made = radios(id, "policy", "Bob's page reads", Object.entries(POLICIES), (name) =>
    clock.setTo("policy", name),
  );
  return { element: made.element, update: () => made.show(clock.s.policy) };
}
