// The view of TimeTravel: its parts, put together. What comes from an event or a state is only ever
// set as text.
import { make, suppress, write } from "../shared/elements.js";
import { listenKeys, rover } from "../shared/keys.js";
import { keepDrawn } from "../shared/life.js";
import { action } from "../shared/places.js";
import { actionsOf, codeLineOf } from "./actions.js";
import { eventCardOf } from "./event_card.js";
import { fieldBarOf } from "./field_bar.js";
import { filterRowOf } from "./filter_row.js";
import { nearOf } from "./near.js";
import { panelOf } from "./panels.js";
import { howOf, sayOf } from "./say.js";
import { stateTableOf } from "./state_table.js";
import { timelineOf } from "./timeline.js";
import { goToOf, headOf, optionsOf, transportOf } from "./transport.js";

/** @typedef {import("./types.js").Clock} Clock */

let views = 0;

/**
 * @param {Clock} clock
 * @param {string} id
 */
function partsOf(clock, id) {
  return {
    head: headOf(clock),
    transport: transportOf(clock),
    goTo: goToOf(clock, id),
    options: optionsOf(clock),
    timeline: timelineOf(clock, id),
    near: nearOf(clock),
    filter: filterRowOf(clock),
    say: sayOf(clock),
    actions: actionsOf(clock),
    panel: panelOf(clock, id),
    how: howOf(clock),
    card: eventCardOf(clock),
    state: stateTableOf(clock),
    field: fieldBarOf(clock),
    code: codeLineOf(clock),
  };
}

/**
 * @param {Clock} clock
 * @param {ReturnType<typeof partsOf>} p
 */
function layOut({ payload, trips }, p) {
  const live = make("div", { class: "w-live", "aria-live": "polite", role: "status" });
  const details = make(
    "div",
    { class: "tt-details", role: "group", "aria-label": "event and state" },
    make("div", { class: "tt-cards" }, p.card.element, p.state.element),
    p.how.element,
    p.field.element,
    p.code.element,
  );
  const root = make(
    "div",
    {
      class: "esnb-tt",
      role: "group",
      tabindex: "-1",
      ...suppress,
      "aria-label": `time travel: ${payload.id}`,
    },
    p.head.element,
    make("div", { class: "tt-top" }, p.transport.element, p.goTo.element, p.options.element),
    p.timeline.element,
    p.near.element,
    p.filter.element,
    p.say.elements,
    p.actions.element,
    p.panel.element,
    details,
    live,
  );
  root.style.setProperty("--tt-lanes", String(payload.lanes.length));
  Object.assign(root, { trips }); // for measuring
  return { root, details, live };
}

/**
 * Escape in a box goes back to the widget, and only then to the notebook.
 * @param {HTMLElement} root
 */
function leaveBox(root) {
  if (!document.activeElement.matches("input:not([type=range]), select, textarea")) return false;
  root.focus({ preventScroll: true });
  return true;
}

/**
 * @param {Clock} clock
 * @param {HTMLElement} el
 */
export function timeTravelView(clock, el) {
  const { s } = clock;
  views += 1;
  const p = partsOf(clock, `tt${views}`);
  const { root, details, live } = layOut(clock, p);
  el.replaceChildren(root);
  const groups = rover([
    p.transport.element,
    p.options.element,
    p.filter.group,
    details,
    p.actions.element,
  ]);
  listenKeys(root, groups, {
    action: (key, shift) => action(key, { shift, projector: s.projector }),
    act: (name) => (name === "goto" ? p.goTo.focus() : clock.act(name)),
    leave: () => clock.leave() || leaveBox(root),
    upDown: (steps, target) =>
      clock.act((target === p.timeline.range) === steps > 0 ? "back" : "next"),
  });
  let fold = s.fold;
  function update() {
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("tt-stale", s.stale);
    root.classList.toggle("tt-filtering", Boolean(clock.passed()));
    if (fold !== s.fold) {
      fold = s.fold;
      for (const part of [p.timeline, p.panel, p.card]) part.forget();
    }
    p.timeline.update(root);
    p.panel.update(root);
    for (const part of [
      p.head,
      p.transport,
      p.goTo,
      p.options,
      p.near,
      p.filter,
      p.say,
      p.actions,
      p.how,
      p.card,
      p.state,
      p.field,
      p.code,
    ])
      part.update();
    write(live, s.spoken);
    groups.all();
  }
  return keepDrawn(clock.listen, update, p.timeline.track);
}
