// The picture of Race: a row a step, time downwards, the stream in the middle.
import { cross, make, suppress, symbol } from "../shared/elements.js";

/**
 * @typedef {import("./race.js").Race} Race
 * @typedef {import("./race.js").Place} Place
 */

const LETTERS = ["A", "B"];

/**
 * What a writer does, in words.
 * @param {Place} step
 */
function words(step) {
  const expects = `appends, expects ${step.expected}`;
  const plain = {
    decide: step.left > 0 ? "decides: sell" : "decides: no sale",
    append: expects,
    conflict: expects,
    raise: `old decision, expects ${step.expected}`,
    write: "appends, any version",
    again: "the same event again",
    crash: "crashes, nothing sent",
    "give up": "gives up",
  }[step.step];
  if (step.step === "read")
    return make(
      "span",
      { class: "rc-state" },
      make("span", { class: "rc-verb" }, "reads: "),
      `knows ${step.knows}, ${step.left} left`,
    );
  if (step.step === "refuse") return make("span", { class: "rc-told" }, cross(), "sold out");
  return make("span", {}, plain);
}

/**
 * Reading comes from the stream; an append goes to it, dashed: it may be refused.
 * @param {string} step
 * @param {number} side
 */
function arrow(step, side) {
  const [inward, outward] = side ? ["left", "right"] : ["right", "left"];
  const look =
    step === "read"
      ? `rc-${outward} rc-read`
      : ["append", "raise", "write", "conflict", "again"].includes(step)
        ? `rc-${inward} rc-command`
        : null;
  return look && make("span", { class: `rc-line ${look}`, "aria-hidden": "true" });
}

/**
 * @param {Place | null} step
 * @param {number} side
 */
function lane(step, side) {
  const cell = make("td", { class: `rc-lane rc-side-${side}` });
  if (!step || LETTERS[side] !== step.move[0]) return cell;
  const told = make("span", { class: "rc-box" }, words(step));
  const line = arrow(step.step, side);
  cell.append(make("div", { class: "rc-cell" }, side ? [line, told] : [told, line]));
  return cell;
}

/**
 * What happened to the stream.
 * @param {import("./race.js").Payload} payload
 * @param {Place | null} step
 */
function onStream(payload, step) {
  const far = step?.move[0] === LETTERS[1] ? " rc-far" : ""; // the label keeps clear of the arrow
  const node = make("div", { class: `rc-node${far}` });
  if (!step) node.append(symbol(payload.types[0]), make("b", {}, "1"));
  else if (step.step === "again") node.append(make("b", {}, `${step.actual} already`));
  else if (step.number) {
    const over = step.sold > payload.pieces ? " too many" : "";
    node.append(symbol(payload.types[1]), make("b", {}, `${step.number}${over}`));
  } else if (step.step === "conflict")
    node.append(cross(), make("b", {}, `conflict, found ${step.actual}`));
  return make("td", { class: "rc-stream" }, node.childNodes.length ? node : null);
}

/** @param {Race} race */
export function lanesOf(race) {
  const { payload, s } = race;
  const [one, other] = payload.names.map(race.shown);
  const body = make("tbody");
  const head = make(
    "thead",
    {},
    make(
      "tr",
      {},
      make("th", { scope: "col", class: "rc-n" }, "step"),
      make("th", { scope: "col" }, `${one} (A)`),
      make("th", { scope: "col", class: "rc-stream" }, "stream"),
      make("th", { scope: "col" }, `${other} (B)`),
    ),
  );
  const element = make(
    "div",
    {
      class: "rc-scroll",
      tabindex: "0",
      role: "region",
      ...suppress,
      "aria-label": "the steps, time downwards",
    },
    make("table", { class: "rc-lanes" }, head, body),
  );
  const row = (n, step) =>
    make(
      "tr",
      { "aria-current": n === s.at ? "step" : null },
      make("th", { scope: "row", class: "rc-n" }, String(n)),
      lane(step, 0),
      onStream(payload, step),
      lane(step, 1),
    );
  let drawn = "";
  function update() {
    const wanted = `${race.mode()} ${race.path()}`;
    if (wanted === drawn) return;
    drawn = wanted;
    body.replaceChildren(
      ...Array.from({ length: s.at + 1 }, (_, n) => row(n, n ? race.node(race.path(n)) : null)),
    );
    element.scrollTop = element.scrollHeight;
  }
  return { element, update };
}
