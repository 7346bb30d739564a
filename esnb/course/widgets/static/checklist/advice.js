// The rule of the checklist is Python's: the page counts answers and looks the verdict up in Python's
// table. Pure, compared with Python.

/**
 * @typedef {"yes" | "no" | "not sure"} Said
 * @typedef {{key: string, text: string, counts: [string, Said] | null, yes: [string, string],
 *   no: [string, string]}} Item
 * @typedef {{title: string, numbers: string[], table: Record<string, string>,
 *   verdicts: [string, string, string][], words: [string, string][], items: Item[]}} Content
 * @typedef {Record<string, Said>} Given
 * @typedef {{verdict: string, possible: string[], pushes: [string, Said, string, string][],
 *   open: string[], decides: [string, string][]}} Advice
 */

export const OPEN = "not sure";

/**
 * For each number of the rule, the least and the most it can become.
 * @param {Content} content
 * @param {Given} given
 */
export function rangesOf(content, given) {
  return content.numbers.map((name) => {
    const mine = content.items.filter((item) => item.counts?.[0] === name);
    const sure = mine.filter((item) => given[item.key] === item.counts[1]).length;
    const open = mine.filter((item) => (given[item.key] ?? OPEN) === OPEN).length;
    return [sure, sure + open];
  });
}

/** @param {number[][]} ranges */
function everyOf(ranges) {
  return ranges.reduce(
    (all, [least, most]) =>
      all.flatMap((numbers) =>
        Array.from({ length: most - least + 1 }, (_, n) => [...numbers, least + n]),
      ),
    [[]],
  );
}

/**
 * The verdicts that are still possible.
 * @param {Content} content
 * @param {Given} given
 */
export function possibleOf(content, given) {
  const found = new Set(everyOf(rangesOf(content, given)).map((n) => content.table[n.join("")]));
  return content.verdicts.map(([key]) => key).filter((key) => found.has(key));
}

/**
 * Whether there are answers to the other open questions with which this one decides.
 * @param {Content} content
 * @param {Given} given
 * @param {Item} item
 */
function matters(content, given, item) {
  if (!item.counts) return false;
  const at = content.numbers.indexOf(item.counts[0]);
  const other = item.counts[1] === "no" ? "yes" : "no";
  return everyOf(rangesOf(content, { ...given, [item.key]: other })).some(
    (numbers) =>
      content.table[numbers.join("")] !==
      content.table[numbers.map((n, i) => n + Number(i === at)).join("")],
  );
}

/**
 * The same as `advise` in Python.
 * @param {Content} content
 * @param {Given} given
 * @returns {Advice}
 */
export function adviceOf(content, given) {
  const said = (item) => given[item.key] ?? OPEN;
  const possible = possibleOf(content, given);
  /** @type {Advice["pushes"]} */
  const pushes = content.items
    .filter((item) => said(item) !== OPEN && item[said(item)][0])
    .map((item) => [item.key, said(item), item[said(item)][0], item[said(item)][1]]);
  const open = content.items
    .filter((item) => said(item) === OPEN && matters(content, given, item))
    .map((item) => item.key);
  /** @type {Advice["decides"]} */
  const decides = [];
  if (possible.length === 1)
    for (const item of content.items.filter((one) => said(one) !== OPEN)) {
      /** @type {Given} */
      const flipped = { ...given, [item.key]: said(item) === "yes" ? "no" : "yes" };
      const other = possibleOf(content, flipped);
      if (other.length === 1 && other[0] !== possible[0]) decides.push([item.key, other[0]]);
    }
  return { verdict: possible.length === 1 ? possible[0] : "", possible, pushes, open, decides };
}
