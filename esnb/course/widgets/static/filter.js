// The filter of TimeTravel: types and a text. What does not pass fades; `[` and `]` go over the rest.
import { mentions, passing } from "./core.js";

export function filterOf({ payload, film, s, ask, emit }) {
  const { n, long = false } = payload;
  let filtered = "";
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
  function filterBy(values) {
    s.filter = { ...s.filter, ...values };
    emit();
  }
  async function mention(text) {
    const wanted = text.trim();
    if (!wanted) return filterBy({ text: "", numbers: null });
    if (!long) return filterBy({ text: wanted, numbers: mentions(payload, wanted) });
    const reply = await ask("mentions", { text: wanted });
    if (reply.error) s.problem = reply.error;
    else {
      const [found] = reply.buffers;
      const bytes = found.buffer ? new Uint8Array(found.buffer, found.byteOffset, found.byteLength) : found;
      filterBy({ text: wanted, numbers: new Uint32Array(bytes.slice().buffer) });
    }
    return emit();
  }
  function chip(type) {
    const types = new Set(s.filter.types);
    if (!types.delete(type)) types.add(type);
    filterBy({ types });
  }
  let litFor = "";
  let litNumbers = [];
  /** The events that `[` and `]` go to: those that changed the chosen field, and pass the filter. */
  function lit() {
    const which = passed();
    const key = `${s.fold}:${s.field}:${filtered}:${long && s.field ? film.range() : ""}`;
    if (key === litFor) return litNumbers;
    litFor = key;
    if (s.field) litNumbers = film.changed(s.field).filter((k) => !which || which[k - 1]);
    else if (which) litNumbers = numbersOf(which);
    else litNumbers = [];
    return litNumbers;
  }
  function numbersOf(which) {
    const out = new Uint32Array(which.reduce((sum, one) => sum + one, 0));
    let j = 0;
    for (let k = 0; k < n; k += 1) if (which[k]) out[j++] = k + 1;
    return out;
  }
  return { passed, lit, filterBy, mention, chip };
}
