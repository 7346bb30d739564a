// The filter of TimeTravel: types and a text. What does not pass fades; `[` and `]` go over the rest.
import { bytesOf } from "../shared/kernel.js";
import { mentions, passing } from "../shared/search.js";

/** @param {Uint8Array} which */
function numbersOf(which) {
  const out = new Uint32Array(which.reduce((sum, one) => sum + one, 0));
  let j = 0;
  for (let k = 0; k < which.length; k += 1) if (which[k]) out[j++] = k + 1;
  return out;
}

/** @param {import("./types.js").Core} core */
export function filterOf({ payload, film, s, long, ask, emit }) {
  let filtered = "";
  /** @type {Uint8Array | null} */
  let mask = null;
  /** Which events pass the filter, 1 or 0 for each; null: there is none. */
  function passed() {
    const { types, text, numbers } = s.filter;
    const key = `${[...types]}:${text}:${numbers?.length ?? -1}`;
    if (key === filtered) return mask;
    filtered = key;
    mask = types.size || numbers ? passing(payload, types, numbers) : null;
    return mask;
  }
  /** @param {Partial<import("./types.js").Filter>} values */
  function filterBy(values) {
    s.filter = { ...s.filter, ...values };
    emit();
  }
  /** @param {string} text */
  async function mention(text) {
    const wanted = text.trim();
    if (!wanted) return filterBy({ text: "", numbers: null });
    if (!long) return filterBy({ text: wanted, numbers: mentions(payload, wanted) });
    const reply = await ask("mentions", { text: wanted });
    if (reply.error) s.problem = reply.error;
    else
      filterBy({
        text: wanted,
        numbers: new Uint32Array(bytesOf(undefined, reply.buffers[0]).slice().buffer),
      });
    return emit();
  }
  /** @param {number} type */
  function chip(type) {
    const types = new Set(s.filter.types);
    if (!types.delete(type)) types.add(type);
    filterBy({ types });
  }
  let litFor = "";
  /** @type {ArrayLike<number> & Iterable<number>} */
  let litNumbers = [];
  /** The events that `[` and `]` go to: those that changed the chosen field, and pass the filter. */
  function lit() {
    const which = passed();
    const key = `${s.fold}:${s.field}:${filtered}:${long && s.field ? film.range() : ""}`;
    if (key === litFor) return litNumbers;
    litFor = key;
    if (s.field) litNumbers = film.changed(s.field).filter((k) => !which || which[k - 1]);
    else litNumbers = which ? numbersOf(which) : [];
    return litNumbers;
  }
  return { passed, lit, filterBy, mention, chip };
}
