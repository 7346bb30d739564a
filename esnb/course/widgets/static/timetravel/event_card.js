// The event of the position, or the next one while it is asked what it will change.
import { bareSymbol, button, copy, make, write } from "../shared/elements.js";
import { fieldOf, moment, pretty, span } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

/**
 * Which of the events of one command event k + 1 is.
 * @param {ArrayLike<number>} command
 * @param {number} k
 */
function placeInCommand(command, k) {
  let first = k;
  let last = k;
  while (first > 0 && command[first - 1] === command[k]) first -= 1;
  while (last < command.length - 1 && command[last + 1] === command[k]) last += 1;
  return last > first ? `${k - first + 1} of ${last - first + 1} events of one command` : "";
}

/**
 * When it occurred, and how long after the one before.
 * @param {ArrayLike<number | null>} time
 * @param {number} k
 */
function whenOf(time, k) {
  if (k === 0 || time[k] === null || time[k - 1] === null) return `${moment(time[k])} UTC`;
  const delta = time[k] - time[k - 1];
  return `${moment(time[k])} UTC (${delta < 0 ? "−" : "+"}${span(delta)})`;
}

/**
 * The parts of the card.
 * @param {() => string} raw the JSON that is copied
 */
function frameOf(raw) {
  const title = make("h3", {}, "Event");
  const copied = button("copy", () => copy(copied, raw()), {
    "aria-label": "copy the event's JSON",
  });
  const head = make("div", { class: "tt-event-head" });
  const lines = make("div", { class: "tt-event-lines" });
  const data = make("pre", { class: "tt-json", "aria-label": "event data" });
  const meta = make("pre", { class: "tt-json tt-meta", "aria-label": "metadata" });
  const element = make(
    "article",
    { class: "tt-card" },
    make("div", { class: "tt-card-top" }, title, copied),
    head,
    lines,
    data,
    meta,
  );
  return { element, title, copied, head, lines, data, meta };
}

/** @param {Clock} clock */
export function eventCardOf(clock) {
  const { payload, film, s } = clock;
  const { element, title, copied, head, lines, data, meta } = frameOf(() =>
    s.at ? pretty(payload.data[s.at - 1] ?? "{}") : "{}",
  );
  let shown = "";
  function before() {
    head.replaceChildren(make("strong", {}, "Before anything happened"));
    lines.replaceChildren();
    data.hidden = meta.hidden = true;
  }
  function fill(number, ahead, here) {
    const k = number - 1;
    const type = payload.types[payload.type[k]];
    const version = payload.version[k] > 1 ? ` version ${payload.version[k]}` : "";
    head.replaceChildren(
      bareSymbol(type, "1.8em"),
      make("strong", {}, type.name),
      make("span", { class: "w-soft" }, version),
    );
    const told = [whenOf(payload.time, k), placeInCommand(payload.command, k)];
    const fields = ahead || !here ? [] : film.step(number).map((c) => fieldOf(c.path));
    if (!ahead && here) told.push(`changes: ${[...new Set(fields)].join(", ") || "nothing"}`);
    lines.replaceChildren(...told.filter(Boolean).map((line) => make("div", {}, line)));
    data.hidden = false;
    write(data, here ? pretty(payload.data[k]) : "…");
    meta.hidden = !here || payload.metadata[k] === "{}";
    if (here) write(meta, pretty(payload.metadata[k]));
  }
  function update() {
    const ahead = Boolean(s.quiz) && !s.quiz.past;
    const number = ahead ? s.quiz.number : s.at;
    const here = number === 0 || film.has(number);
    const key = `${number}:${ahead}:${here}`;
    if (shown === key) return;
    shown = key;
    copied.hidden = number === 0;
    write(title, ahead ? "Next event" : number ? `Event ${number}` : "Event");
    if (number) fill(number, ahead, here);
    else before();
  }
  return {
    element,
    update,
    forget: () => {
      shown = "";
    },
  };
}
