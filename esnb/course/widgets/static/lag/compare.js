// Reader against truth: which orders a page shows, in words. Pure, tested with node.

/**
 * @typedef {import("./day.js").Day} Day
 * @typedef {import("./day.js").OrderRow} OrderRow
 * @typedef {[string, string, string, string]} Compared order, reader, truth, sign
 */

/** @param {number} amount */
export function cents(amount) {
  const whole = Math.abs(amount);
  return `${amount < 0 ? "-" : ""}${Math.floor(whole / 100)}.${String(whole % 100).padStart(2, "0")}`;
}

/** @param {OrderRow | undefined} row */
const wordsOf = (row) =>
  row && (row[0] === "PENDING" || row[0] === "PAID")
    ? `${row[0]} ${cents(row[2])} of ${cents(row[1])}`
    : "";

/**
 * @param {string} seen
 * @param {string} truth
 */
const signOf = (seen, truth) => (seen === truth ? "" : !seen ? "+" : !truth ? "-" : "~");

/** @param {Iterable<OrderRow>} rows */
const sumOf = (rows) => cents([...rows].reduce((total, row) => total + row[2], 0));

/**
 * Bob's order, some that differ (one of each sign at least), the newest where few differ, and what was
 * paid in all.
 * @param {Day} day
 * @param {Map<number, OrderRow>} reader
 * @param {Map<number, OrderRow>} truth
 * @returns {{rows: Compared[], more: number}}
 */
export function comparedRows(day, reader, truth) {
  const bob = day.orders[day.bob];
  const number = (row) => Number(row[0].split("-")[1]);
  /** @type {Compared[]} */
  const all = [...truth.keys()].map((order) => {
    const [seen, real] = [wordsOf(reader.get(order)), wordsOf(truth.get(order))];
    return [day.orders[order], seen, real, signOf(seen, real)];
  });
  all.sort((a, b) => Number(b[0] === bob) - Number(a[0] === bob) || number(a) - number(b));
  const others = all.filter((row) => row[0] !== bob);
  const differ = others.filter((row) => row[3]);
  const firsts = ["+", "~", "-"]
    .map((sign) => differ.find((row) => row[3] === sign))
    .filter(Boolean);
  const same = others.filter((row) => row[2] && !row[3]).reverse();
  const chosen = [
    ...new Set([...all.filter((row) => row[0] === bob), ...firsts, ...differ, ...same]),
  ].slice(0, day.shown);
  const [seen, real] = [sumOf(reader.values()), sumOf(truth.values())];
  return {
    rows: [
      ...all.filter((row) => chosen.includes(row)),
      ["paid in all orders", seen, real, signOf(seen, real)],
    ],
    more: differ.filter((row) => !chosen.includes(row)).length,
  };
}
