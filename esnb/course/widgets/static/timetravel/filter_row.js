// Filter: types as chips, a text; what does not pass fades, and [ ] go over the rest.
import {
  bar,
  bareSymbol,
  button,
  make,
  press,
  suppress,
  toggleButton,
} from "../shared/elements.js";

/** @param {import("./types.js").Clock} clock */
export function filterRowOf(clock) {
  const { payload, n, s } = clock;
  const sums = new Uint32Array(payload.types.length);
  for (let k = 0; k < n; k += 1) sums[payload.type[k]] += 1;
  const chips = payload.types.map((type, k) => {
    const chip = toggleButton("", () => clock.chip(k), { class: "tt-chip" });
    chip.append(
      bareSymbol(type, "1.15em"),
      make("span", {}, type.name),
      make("span", { class: "tt-sum" }, String(sums[k])),
    );
    return chip;
  });
  const all = button("show all", () =>
    clock.filterBy({ types: new Set(), text: "", numbers: null }),
  );
  const text = make("input", {
    type: "text",
    ...suppress,
    class: "tt-text",
    placeholder: "a text in an event",
    "aria-label": "events that mention a text",
    spellcheck: "false",
  });
  text.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") clock.mention(text.value);
  });
  text.addEventListener("change", () => clock.mention(text.value));
  const group = bar("event types", chips, all);
  group.classList.add("tt-chips");
  const element = make("div", { class: "w-bar tt-filter" }, group, text);
  function update() {
    element.hidden = !s.filter.open;
    if (element.hidden) return;
    chips.forEach((chip, k) => press(chip, s.filter.types.has(k)));
    if (document.activeElement !== text && text.value !== s.filter.text) text.value = s.filter.text;
    all.disabled = !clock.passed();
  }
  return { element, group, update };
}
