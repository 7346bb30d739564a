// When a guess is the fact: the rule of esnb/course/guesses.py, for pages on which no Python runs.
// Nothing here knows of a page.

const NUMBER = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:e([+-]?\d{1,2}))?$/;
const GROUPED = /^([+-]?\d{1,3}(?:,\d{3})+)(\.\d*)?$/;
const DECIMAL_COMMA = /^([+-]?\d+),(\d+)$/;
const YES_NO = { true: "yes", false: "no" };

/** A number in one spelling, or null: no sign of plus, no exponent, no zeros that say nothing. */
function oneSpelling(text) {
  const grouped = GROUPED.exec(text);
  const plain = grouped
    ? grouped[1].replaceAll(",", "") + (grouped[2] ?? "")
    : text.replace(DECIMAL_COMMA, "$1.$2");
  const found = NUMBER.exec(plain);
  if (!found) return null;
  const [, sign, whole = "", after = "", only = "", exponent = "0"] = found;
  const shift = Number(exponent);
  const fraction = after + only;
  const digits =
    "0".repeat(Math.max(0, -shift)) + whole + fraction + "0".repeat(Math.max(0, shift));
  // Where the point stands, counted from the left of `digits`.
  const point = Math.max(0, -shift) + whole.length + shift;
  const left = digits.slice(0, point).replace(/^0+/, "");
  const right = digits.slice(point).replace(/0+$/, "");
  if (!left && !right) return "0";
  return `${sign === "-" ? "-" : ""}${left || "0"}${right ? `.${right}` : ""}`;
}

function singularOf(unit) {
  if (unit.endsWith("ies")) return `${unit.slice(0, -3)}y`;
  return unit.endsWith("s") && !unit.endsWith("ss") && unit.length > 2 ? unit.slice(0, -1) : unit;
}

const squeezed = (text) => text.replace(/\s+/g, "").toLowerCase().replaceAll("\u2212", "-");
const without = (text, ending) =>
  ending && text.endsWith(ending) ? text.slice(0, -ending.length) : text;

/** What is compared: equal for a guess and a fact that mean the same. */
export function keyOf(value, unit = "") {
  const text = squeezed(value);
  for (const ending of [squeezed(unit), squeezed(singularOf(unit)), ""]) {
    const number = oneSpelling(without(text, ending));
    if (number !== null) return number;
  }
  return Object.hasOwn(YES_NO, text) ? YES_NO[text] : text;
}

/** A number with its unit, in the singular after 1. */
export const quantity = (text, unit) =>
  `${text} ${text === "1" ? singularOf(unit) : unit}`.trimEnd();

/** The key of a guess; an option may be given by its value or by its label. */
export function guessKey(content, guess) {
  const key = keyOf(guess, content.unit);
  if (content.options.some(([option]) => option === key)) return key;
  return content.options.find(([, label]) => keyOf(label) === key)?.[0] ?? key;
}

/** A guess as the reader sees it, with its unit. */
export function guessShown(content, guess) {
  const key = guessKey(content, guess);
  const label = content.options.find(([option]) => option === key)?.[1];
  return label ?? quantity(without(guess.trim(), content.unit).trim(), content.unit);
}

/** What is beside the fact: lines of a name, a text and a sign, and the note. */
export function revealed(content, guess) {
  const fact = { name: "The fact", text: content.fact, sign: "" };
  if (!guess) {
    const usual = content.notes[0];
    if (!usual) return { right: null, lines: [fact], note: "" };
    return {
      right: null,
      lines: [fact, { name: "Often guessed", text: usual[1], sign: "≠" }],
      note: usual[2],
    };
  }
  const key = guessKey(content, guess);
  const right = key === content.key;
  const note = right ? "" : (content.notes.find(([wrong]) => wrong === key)?.[2] ?? "");
  return {
    right,
    note,
    lines: [
      { name: "Your guess", text: guessShown(content, guess), sign: right ? "=" : "≠" },
      fact,
    ],
  };
}

/** The hands after one more or one less for an answer; an answer without hands is dropped. */
export function withHand(content, hands, answer, step) {
  const key = guessKey(content, answer);
  const known = hands.some(([said]) => guessKey(content, said) === key);
  const all = known ? hands : [...hands, [answer, 0]];
  return all
    .map(([said, n]) => [said, guessKey(content, said) === key ? n + step : n])
    .filter(([, n]) => n > 0);
}
