// The view of TimeTravel. What comes from an event or a state is only ever set as text.
import { action, axis, bins, clamp, code, fieldOf, moment, next, origin, plural, pretty, sentence, span } from "./core.js";
import { makeClock, SPEEDS } from "./clock.js";
import {
  copy, draw, iconButton, keepDrawn, listenKeys, make, rover, suppress, symbol, toNotebook, widgetOf, write,
} from "./page.js";
import { panelsOf } from "./panels.js";
import { set, tableOf } from "./table.js";

const MARKS_UP_TO = 500;
const NEAR = 12; // marks on each side of the playhead, where the line shows only counts
let counter = 0;

/** An event type as the course draws it everywhere; its name stands beside it or on its mark. */
function mark(type, size) {
  const drawn = symbol(type, size);
  for (const [name, value] of [["role", null], ["aria-label", null], ["aria-hidden", "true"]]) set(drawn, name, value);
  drawn.querySelector("title").remove();
  return drawn;
}

function view(clock, el) {
  const { payload, film, n, s, stops } = clock;
  const id = `tt${(counter += 1)}`;
  const parts = {};
  const button = (name, label, onclick, extra = {}) => {
    parts[name] = make("button", { type: "button", ...suppress, onclick, ...extra }, label);
    return parts[name];
  };
  const icons = (name, label, ...drawn) => {
    parts[name] = iconButton(label, () => clock.act(name), drawn, name === "play"
      ? { "aria-pressed": "false", class: "w-play" } : {});
    return parts[name];
  };
  const toggleButton = (name, label, onclick) =>
    button(name, label, onclick, { "aria-pressed": "false", class: "tt-toggle" });
  const does = (name) => () => clock.act(name);

  // Rows of controls: each is one stop of the tab key; up and down move inside.
  const transport = make("div", { class: "w-bar", role: "toolbar", "aria-label": "move" },
    icons("start", "before the first event (Home)", "start"),
    icons("back", "one step back (left arrow)", "back"),
    icons("play", "play (Space)", "play", "pause"),
    icons("next", "one step forward (right arrow)", "next"),
    icons("end", "after the last event (End)", "end"));
  parts.number = make("input", { type: "number", min: 0, max: n, step: 1, ...suppress, id: `${id}-n`,
    "aria-label": `event number, 0 to ${n}`, class: "tt-number", style: `width:${Math.max(5.2, 3.4 + 0.66 * String(n).length)}em` });
  parts.time = make("input", { type: "text", ...suppress, placeholder: "2026-03-02 15:00",
    "aria-label": "go to a time, UTC, inclusive", class: "tt-timebox", spellcheck: "false" });
  const take = (input) => (event) => {
    if (event.key !== "Enter") return;
    if (clock.go(input.value) && input === parts.time) input.value = "";
  };
  parts.number.addEventListener("keydown", take(parts.number));
  parts.number.addEventListener("change", () => {
    if (parts.number.value !== String(s.at)) clock.go(parts.number.value);
  });
  parts.time.addEventListener("keydown", take(parts.time));
  const goTo = make("div", { class: "w-bar tt-goto" }, parts.number,
    make("span", {}, `of ${n}`), make("label", {}, "at time (UTC) ", parts.time));
  const options = make("div", { class: "w-bar tt-options", role: "toolbar", "aria-label": "options" },
    toggleButton("stepBy", "step by command", () =>
      clock.change({ stepBy: s.stepBy === "event" ? "command" : "event" })),
    toggleButton("byTime", "clock axis", () => clock.change({ byTime: !s.byTime })),
    clock.faces.length > 1 ? button("fold", "fold", () => clock.nextFold()) : null,
    button("speed", "speed", () => clock.change({ speed: (s.speed + 1) % SPEEDS.length })),
    toggleButton("projector", "projector", () => clock.setProjector(!s.projector)),
    toggleButton("keys", "keys ?", does("keys")));

  parts.kind = make("span");
  parts.title = make("div", { class: "w-title" }, make("strong", {}, payload.id), " as ", parts.kind);
  parts.count = make("div", { class: "w-count", "aria-hidden": "true" });
  const head = make("div", { class: "tt-head" }, parts.title, parts.count);
  const top = make("div", { class: "tt-top" }, transport, goTo, options);

  // The timeline.
  const many = n > MARKS_UP_TO;
  const laneNames = make("div", { class: "tt-lanes", "aria-hidden": "true" });
  payload.lanes.forEach((name, lane) => {
    const first = payload.lane.indexOf(lane);
    const type = payload.types[payload.type[first]];
    const own = type.name === name;
    laneNames.append(make("div", { class: "tt-lane-name", title: name },
      own ? mark(type, "1.15em") : "", make("span", {}, name)));
  });
  parts.marks = make("div", { class: "tt-marks", ...suppress,
    ...(many ? { role: "img" } : { role: "listbox", tabindex: "0", "aria-orientation": "horizontal" }),
    "aria-label": `events of ${payload.id}` });
  for (let lane = 0; lane < payload.lanes.length; lane += 1)
    parts.marks.append(make("div", { class: "tt-lane", style: `top:calc(var(--tt-lane) * ${lane + 0.5})`,
      role: many ? null : "presentation" }));
  const marks = [];
  if (!many) {
    for (let k = 1; k <= n; k += 1) {
      const one = make("div", { class: "tt-mark", role: "option", id: `${id}-e${k}`,
        "aria-selected": "false", style: `top:calc(var(--tt-lane) * ${payload.lane[k - 1] + 0.5})` },
        mark(payload.types[payload.type[k - 1]], "100%"));
      marks.push(one);
      parts.marks.append(one);
    }
  } else {
    parts.counts = draw("svg", { class: "tt-counts", preserveAspectRatio: "none", "aria-hidden": "true" });
    parts.lit = draw("svg", { class: "tt-lit-counts", preserveAspectRatio: "none", "aria-hidden": "true" });
    parts.marks.append(parts.counts, parts.lit);
  }
  // Refused commands are no events: they stand between two, in a lane of their own, hollow and grey.
  const refused = payload.refused ?? [];
  parts.refused = make("div", { class: "tt-refusals", "aria-hidden": "true" });
  const refusals = refused.map(([after, command, reason]) => {
    const one = make("div", { class: "tt-refusal", title: `refused after event ${after}: ${command}: ${reason}` },
      draw("svg", { viewBox: "0 0 24 24" }, draw("circle", { cx: 12, cy: 12, r: 9 }),
        draw("path", { d: "M8.5 8.5l7 7M15.5 8.5l-7 7" })));
    one.dataset.at = after;
    return one;
  });
  parts.refused.append(...refusals);
  if (refused.length) {
    laneNames.append(make("div", { class: "tt-lane-name tt-lane-refused" }, make("span", {}, "refused")));
    parts.refused.classList.add("tt-some");
  }
  parts.flags = make("div", { class: "tt-flags" });
  for (const [number, text] of payload.stops) {
    const flag = make("div", { class: "tt-flag", title: `${number}: ${text}` }, "⚑");
    flag.dataset.at = number;
    parts.flags.append(flag);
  }
  parts.snaps = make("div", { class: "tt-snaps", "aria-hidden": "true" });
  parts.axis = make("div", { class: "tt-axis", "aria-hidden": "true" });
  parts.range = make("input", { type: "range", min: 0, max: n, step: 1, ...suppress, class: "tt-range",
    "aria-label": "position" });
  parts.range.addEventListener("input", () => clock.move(Number(parts.range.value)));
  parts.handle = make("div", { class: "tt-handle" });
  parts.veil = make("div", { class: "tt-veil" });
  parts.head = make("div", { class: "tt-playhead" });
  parts.pinA = make("div", { class: "tt-pin" }, "A");
  parts.pinB = make("div", { class: "tt-pin" }, "B");
  parts.axisRow = make("div", { class: "tt-axis-row" }, parts.axis, parts.pinA, parts.pinB, parts.range,
    parts.handle);
  const track = make("div", { class: "tt-track" }, parts.marks, parts.refused, parts.snaps, parts.flags, parts.axisRow,
    parts.veil, parts.head);
  const timeline = make("div", { class: "tt-timeline" }, laneNames, track);
  // Where the line shows only counts, the events next to the playhead are drawn one by one.
  parts.near = make("div", { class: "tt-near", "aria-hidden": "true", hidden: !many });
  parts.near.addEventListener("click", ({ target }) => {
    const slot = nears.find(({ one }) => one.contains(target));
    if (slot) clock.move(slot.k);
  });

  // Filter: types as chips, a text; what does not pass fades, and [ ] go over the rest.
  const chips = make("div", { class: "w-bar tt-chips", role: "toolbar", "aria-label": "event types" },
    ...payload.types.map((type, k) => button(`chip${k}`, "", () => clock.chip(k), { "aria-pressed": "false",
      class: "tt-chip" })));
  const sums = new Uint32Array(payload.types.length);
  for (let k = 0; k < n; k += 1) sums[payload.type[k]] += 1;
  payload.types.forEach((type, k) => parts[`chip${k}`].append(mark(type, "1.15em"), make("span", {}, type.name),
    make("span", { class: "tt-sum" }, String(sums[k]))));
  parts.text = make("input", { type: "text", ...suppress, class: "tt-text", placeholder: "a text in an event",
    "aria-label": "events that mention a text", spellcheck: "false" });
  parts.text.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") clock.mention(parts.text.value);
  });
  parts.text.addEventListener("change", () => clock.mention(parts.text.value));
  chips.append(button("all", "show all", () => clock.filterBy({ types: new Set(), text: "", numbers: null })));
  const filterRow = make("div", { class: "w-bar tt-filter" }, chips, parts.text);

  parts.say = make("p", { class: "tt-say" });
  parts.refusedHere = make("ul", { class: "tt-refused-here" });
  parts.problem = make("p", { class: "tt-problem", role: "alert" });
  parts.panel = make("section", { class: "w-panel" });

  // How we got here, the event, the state, the code.
  parts.how = make("span", { class: "tt-how-text" });
  const how = make("div", { class: "tt-how" }, make("h3", {}, "How we got here"), parts.how,
    toggleButton("snapshots", "use snapshots", () => clock.change({ snapshots: !s.snapshots })));
  parts.eventHead = make("div", { class: "tt-event-head" });
  parts.eventLines = make("div", { class: "tt-event-lines" });
  parts.data = make("pre", { class: "tt-json", "aria-label": "event data" });
  parts.meta = make("pre", { class: "tt-json tt-meta", "aria-label": "metadata" });
  parts.eventTitle = make("h3", {}, "Event");
  const card = make("article", { class: "tt-card" }, make("div", { class: "tt-card-top" },
    parts.eventTitle, button("copyEvent", "copy", () => copy(parts.copyEvent, rawEvent()), { "aria-label": "copy the event's JSON" })),
  parts.eventHead, parts.eventLines, parts.data, parts.meta);
  parts.stateTitle = make("h3", {});
  parts.late = make("p", { class: "tt-late" });
  parts.columns = ["field", "before", "now", "change"].map((t) => make("th", { scope: "col" }, t));
  parts.body = make("tbody");
  parts.more = make("p", { class: "tt-more" });
  const state = make("article", { class: "tt-card tt-state" }, make("div", { class: "tt-card-top" },
    parts.stateTitle, toggleButton("changedOnly", "only what changed", () =>
      clock.change({ changedOnly: !s.changedOnly }))),
  make("table", {}, make("thead", {}, make("tr", {}, ...parts.columns)), parts.body), parts.more, parts.late);
  const cards = make("div", { class: "tt-cards" }, card, state);
  parts.fieldText = make("span");
  parts.spark = draw("svg", { class: "tt-spark", viewBox: "0 0 200 32", preserveAspectRatio: "none",
    "aria-hidden": "true" });
  parts.fieldBar = make("div", { class: "tt-field" }, parts.fieldText,
    button("hopBack", "previous [", does("field-back")), button("hopNext", "next ]", does("field-next")),
    parts.spark);
  parts.code = make("code");
  const codeLine = make("div", { class: "w-code" }, make("h3", {}, "Code"), parts.code,
    button("copyCode", "copy", () => copy(parts.copyCode, parts.code.textContent)));
  const details = make("div", { class: "tt-details", role: "group", "aria-label": "event and state" },
    how, cards, parts.fieldBar, codeLine);
  parts.discard = make("span", { class: "tt-discard" });
  const tools = make("div", { class: "w-bar tt-tools", role: "toolbar", "aria-label": "questions" },
    button("predict", "predict next (p)", does("predict")),
    button("mute", "what if not? (m)", does("mute")),
    button("pinAt", "pin A (a)", does("pin-a")), button("pinBt", "pin B (b)", does("pin-b")),
    toggleButton("compare", "compare (c)", does("compare")),
    button("clear", "clear pins", () => clock.change({ asking: true })),
    button("which", "which event?", () => clock.openPast()),
    toggleButton("filter", "filter (f)", does("filter")),
    toggleButton("find", "find", () => clock.toggle("find")),
    toggleButton("order", "put in order", () =>
      (s.panel === "order" ? clock.leave() : clock.openOrder())),
    parts.discard);
  parts.discard.append(make("span", {}, "Discard both pins? "),
    button("yes", "discard", () => clock.clearPins()),
    button("no", "keep", () => clock.change({ asking: false })));
  parts.live = make("div", { class: "w-live", "aria-live": "polite", role: "status" });

  const root = make("div", { class: "esnb-tt", role: "group", tabindex: "-1", ...suppress,
    "aria-label": `time travel: ${payload.id}` },
  head, top, timeline, parts.near, filterRow, parts.say, parts.refusedHere, parts.problem, parts.panel, details, tools,
  parts.live);
  root.style.setProperty("--tt-lanes", payload.lanes.length);
  root.trips = clock.trips; // for measuring
  el.replaceChildren(root);

  // One tab stop a group; up and down move between its buttons, elsewhere they step.
  const groups = rover([transport, options, chips, details, tools]);
  root.addEventListener("keydown", ({ target, key }) => {
    if (key !== "Escape") return;
    if (target === parts.number) target.value = s.at;
  });
  listenKeys(root, groups, {
    action: (key, shift) => action(key, { shift, projector: s.projector }),
    act: (name) => {
      if (name !== "goto") return clock.act(name);
      parts.number.focus();
      return parts.number.select();
    },
    leave: () => clock.leave() || leaveBox(),
    upDown: (steps, target) => clock.act((target === parts.range) === (steps > 0) ? "back" : "next"),
  });
  /** Escape in a box goes back to the widget, and only then to the notebook. */
  function leaveBox() {
    if (!document.activeElement.matches("input:not([type=range]), select, textarea")) return false;
    root.focus({ preventScroll: true });
    return true;
  }

  let dragging = false;
  const share = (event) => {
    const box = track.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  track.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    clock.play(false);
    dragging = true;
    track.setPointerCapture(event.pointerId);
    const pressed = event.target.closest(".tt-mark");
    const flag = event.target.closest(".tt-flag, .tt-refusal");
    // A click on a mark goes to the state after it, elsewhere to the nearest place between two.
    if (pressed) clock.move(marks.indexOf(pressed) + 1);
    else if (flag) clock.move(Number(flag.dataset.at));
    else clock.move(where.nearest(share(event)));
    (event.target === parts.marks || pressed ? parts.marks : parts.range).focus({ preventScroll: true });
    event.preventDefault();
  });
  track.addEventListener("pointermove", (event) => {
    if (dragging) clock.move(where.nearest(share(event)));
  });
  const drop = () => {
    dragging = false;
  };
  track.addEventListener("pointerup", drop);
  track.addEventListener("pointercancel", drop);

  const rawEvent = () => (s.at ? pretty(payload.data[s.at - 1] ?? "{}") : "{}");

  // -- drawing --

  let where = axis(n);
  let placed = "";
  /** Put everything that depends on the width or the axis in its place. */
  function place() {
    const width = track.clientWidth || 600;
    const key = `${width}:${s.byTime}:${s.fold}`;
    if (key === placed) return;
    placed = key;
    where = axis(n, s.byTime ? payload.time : null);
    const lane = 26;
    const cell = width / Math.max(n, 1);
    root.style.setProperty("--tt-mark", `${clamp(cell * 1.7, 9, lane - 3)}px`);
    root.classList.toggle("tt-small", cell * 1.7 < 14);
    const left = (element, x) => {
      element.style.left = `${(x * 100).toFixed(4)}%`;
    };
    marks.forEach((mark, k) => left(mark, where.event(k + 1)));
    for (const flag of [...parts.flags.children, ...refusals]) left(flag, where.at(Number(flag.dataset.at)));
    // Several refusals at one place stand side by side.
    refusals.forEach((one, k) => {
      const same = refusals.filter((other, j) => j < k && other.dataset.at === one.dataset.at).length;
      one.style.marginLeft = `${same * 20}px`;
    });
    let pixel = -1;
    const apart = clock.face().snapshots.filter((number) => {
      const at = Math.round(where.at(number) * width);
      return at > pixel && (pixel = at, true);
    });
    parts.snaps.replaceChildren(...apart.map((number) => {
      const bar = make("div", { class: "tt-snap", title: `snapshot at ${number}` });
      left(bar, where.at(number));
      return bar;
    }));
    if (many) drawCounts(parts.counts, width);
    shownLit = null;
    const ticks = [];
    const gap = tickStep(n, width);
    let last = -1;
    for (let k = gap === 1 ? 1 : gap; k <= n; k += gap) {
      const x = where.event(k);
      if ((x - last) * width < 26) continue;
      last = x;
      const tick = make("span", { class: "tt-tick" }, String(k));
      left(tick, x);
      ticks.push(tick);
    }
    for (const fold of where.folds.slice(0, 200)) {
      const tick = make("span", { class: "tt-fold", title: `${span(fold.gap)} folded` }, "//");
      left(tick, fold.share);
      ticks.push(tick);
    }
    parts.axis.replaceChildren(...ticks);
  }
  function tickStep(count, width) {
    const most = Math.max(2, width / 44);
    for (let size = 1; ; size *= 10)
      for (const k of [1, 2, 5]) if (count / (k * size) <= most) return k * size;
  }
  /** Counts per column and lane; the height is a share of the lane's highest column, in all of them. */
  function drawCounts(into, width, which = null) {
    const columns = Math.max(50, Math.floor(width));
    const lanes = payload.lanes.length;
    const count = (mask) => bins(n, where.event, (k) => payload.lane[k - 1], lanes, columns, mask);
    if (!which) full = count(null);
    const counts = which ? count(which) : full;
    set(into, "viewBox", `0 0 ${columns} ${lanes * 100}`);
    into.replaceChildren(...counts.map((row, lane) => {
      const most = full[lane].reduce((a, b) => Math.max(a, b), 1);
      let d = "";
      row.forEach((number, x) => {
        if (number) d += `M${x} ${lane * 100 + 92}h1v${-(10 + (70 * number) / most).toFixed(1)}h-1z`;
      });
      return draw("path", { d });
    }));
  }
  let full = [];

  let shownFold = s.fold;
  let shownAt = null;
  let shownLit = null;
  function update() {
    root.classList.toggle("w-projector", s.projector);
    if (shownFold !== s.fold) {
      shownFold = s.fold;
      shownLit = shownAt = null;
      panels.forget();
      card.dataset.key = "";
      for (const one of marks) one.muted = null;
    }
    place();
    const x = where.at(s.at);
    const percent = `${(x * 100).toFixed(4)}%`;
    parts.head.style.left = parts.handle.style.left = parts.veil.style.left = percent;
    for (const [pin, at] of [[parts.pinA, s.pins[0]], [parts.pinB, s.pins[1]]]) {
      pin.hidden = at === null;
      if (at !== null) pin.style.left = `${(where.at(at) * 100).toFixed(4)}%`;
    }
    if (parts.range.value !== String(s.at)) parts.range.value = s.at;
    const spoken = s.at === 0 ? `0 of ${n}, before anything happened`
      : `event ${s.at} of ${n}, ${clock.typeName(s.at)}, ${moment(payload.time[s.at - 1]).slice(11)}`;
    set(parts.range, "aria-valuetext", spoken);
    if (document.activeElement !== parts.number) parts.number.value = s.at;
    write(parts.count, `${s.at} / ${n}`);
    updateMarks();
    updateFilter();
    updateControls();
    updateSay();
    updateEvent();
    table.update();
    panels.update();
    if (many) updateNear();
    root.classList.toggle("tt-stale", s.stale);
    write(parts.late, s.late || (s.stale ? `Event ${s.at} is on its way.` : ""));
    const from = origin(clock.face().snapshots, s.at, s.snapshots);
    write(parts.how, howText(from));
    parts.snaps.classList.toggle("tt-off", !s.snapshots);
    write(parts.code, code({ ...clock.face(), id: payload.id }, { at: s.at, compare: s.compare ? s.pins : null,
      muted: s.panel === "what-if" ? s.muted : null, policy: s.policy }));
    write(parts.problem, s.problem);
    write(parts.live, s.spoken);
    groups.all();
    shownAt = s.at;
  }
  function howText({ snapshot, applied }) {
    if (s.at === 0) return "the empty state, nothing applied";
    const numbers = applied === 0 ? "" : applied <= 4
      ? ` (${Array.from({ length: applied }, (_, k) => s.at - applied + k + 1).join(", ")})`
      : ` (${s.at - applied + 1} to ${s.at})`;
    const start = snapshot === null ? "start empty" : `start from snapshot #${snapshot}`;
    const unused = clock.face().unused.filter(([at]) => at <= s.at).at(-1);
    const aside = unused && s.snapshots && snapshot === null
      ? `. The snapshot at ${unused[0]} is not used: ${unused[1]}` : "";
    const without = snapshot !== null ? `. Without snapshots: ${plural(s.at, "event")}` : "";
    return `${start} ▸ apply ${plural(applied, "event")}${numbers} ▸ state #${s.at}${without}${aside}`;
  }
  function updateMarks() {
    const lit = clock.lit();
    const passed = clock.passed();
    if (shownLit?.lit !== lit || shownLit.passed !== passed) {
      shownLit = { lit, passed };
      root.classList.toggle("tt-filtering", Boolean(passed));
      if (many) {
        const which = s.field ? new Uint8Array(n) : passed;
        if (s.field) for (const k of lit) which[k - 1] = 1;
        if (which) drawCounts(parts.lit, track.clientWidth || 600, which);
        else parts.lit.replaceChildren();
      }
      const numbers = new Set(lit);
      marks.forEach((one, k) => {
        one.classList.toggle("tt-lit", numbers.has(k + 1));
        one.classList.toggle("tt-faded", Boolean(passed) && !passed[k]);
      });
    }
    if (many) return;
    const muted = new Set(s.muted);
    if (shownAt !== s.at || shownAt === null) {
      for (const k of [shownAt, s.at]) if (k) set(marks[k - 1], "aria-selected", k === s.at);
      set(parts.marks, "aria-activedescendant", s.at ? marks[s.at - 1].id : null);
    }
    marks.forEach((one, k) => {
      const told = `${muted.has(k + 1) ? ", muted" : ""}${passed && !passed[k] ? ", filtered out" : ""}`;
      if (one.muted === told) return;
      one.muted = told;
      one.classList.toggle("tt-muted", muted.has(k + 1));
      // The letters on the mark are part of its name: who speaks to the computer says what is seen.
      set(one, "aria-label", `${k + 1}: ${clock.typeName(k + 1)}, ${
        plural(film.step(k + 1).length, "field")} changed${told}, ${payload.types[payload.type[k]].code}`);
      one.title = one.getAttribute("aria-label");
    });
  }
  /** The events next to the playhead, one by one; the future fades, as on the line. */
  function updateNear() {
    const first = clamp(s.at - NEAR + 1, 1, Math.max(1, n - 2 * NEAR + 1));
    const last = Math.min(n, first + 2 * NEAR - 1);
    const passed = clock.passed();
    for (let j = 0; j < 2 * NEAR; j += 1) {
      const k = first + j;
      const slot = nearAt(j);
      slot.one.hidden = k > last;
      if (k > last) continue;
      const type = payload.type[k - 1];
      if (slot.type !== type) slot.one.replaceChildren(mark(payload.types[type], "1.5em"));
      if (slot.k !== k) slot.one.title = `${k}: ${clock.typeName(k)}`;
      Object.assign(slot, { type, k });
      const look = `tt-near-mark${k > s.at ? " tt-later" : k === s.at ? " tt-now" : ""}${
        passed && !passed[k - 1] ? " tt-faded" : ""}`;
      if (slot.one.className !== look) slot.one.className = look;
    }
  }
  const nears = [];
  function nearAt(j) {
    if (!nears[j]) {
      nears[j] = { one: make("span"), type: null, k: null };
      parts.near.append(nears[j].one);
    }
    return nears[j];
  }
  function updateFilter() {
    filterRow.hidden = !s.filter.open;
    if (filterRow.hidden) return;
    payload.types.forEach((_, k) => press(`chip${k}`, s.filter.types.has(k)));
    if (document.activeElement !== parts.text && parts.text.value !== s.filter.text) parts.text.value = s.filter.text;
    parts.all.disabled = !clock.passed();
  }
  function press(name, on) {
    set(parts[name], "aria-pressed", on);
  }
  function updateControls() {
    press("play", s.playing);
    set(parts.play, "aria-label", s.playing ? "pause (Space)" : "play (Space)");
    parts.play.classList.toggle("w-on", s.playing);
    press("stepBy", s.stepBy === "command");
    press("byTime", s.byTime);
    press("projector", s.projector);
    press("filter", s.filter.open || Boolean(clock.passed()));
    press("keys", s.panel === "keys");
    press("compare", s.compare);
    press("find", s.panel === "find");
    press("order", s.panel === "order");
    parts.order.hidden = !clock.face().order;
    press("changedOnly", s.changedOnly);
    press("snapshots", s.snapshots);
    write(parts.speed, `speed ${SPEEDS[s.speed][0]}`);
    parts.find.hidden = parts.which.hidden = Boolean(payload.long);
    parts.snapshots.hidden = clock.face().snapshots.length === 0;
    write(parts.kind, clock.face().kind);
    if (parts.fold) write(parts.fold, `fold: ${clock.face().kind}`);
    parts.back.disabled = parts.start.disabled = s.at === 0;
    parts.next.disabled = parts.end.disabled = s.at === n;
    parts.predict.disabled = s.at === n;
    write(parts.predict, s.quiz ? (s.quiz.committed ? "reveal (p)" : "commit (p)") : "predict next (p)");
    parts.mute.disabled = s.at === 0;
    write(parts.mute, s.muted.includes(s.at) ? "unmute (m)" : "what if not? (m)");
    const pinned = s.pins[0] !== null || s.pins[1] !== null;
    parts.clear.hidden = !pinned || s.asking;
    parts.discard.hidden = !s.asking || !pinned;
    parts.compare.disabled = s.pins.includes(null);
  }
  function updateSay() {
    const stop = stops.get(s.at);
    const here = film.has(s.at);
    const told = s.guide === "off" ? "" : s.at === 0 ? "Nothing has happened yet."
      : here ? `${clock.typeName(s.at)}: ${sentence(film.step(s.at))}.` : `${clock.typeName(s.at)} …`;
    parts.say.replaceChildren(...(stop ? [make("strong", {}, `⚑ ${stop} `)] : []), told);
    parts.say.hidden = !stop && !told;
    const no = clock.refusedAt(s.at);
    parts.refusedHere.hidden = !no.length;
    const most = s.projector ? 1 : 5;
    parts.refusedHere.replaceChildren(...no.slice(0, most).map(([, command, reason]) => make("li", {},
      make("strong", {}, `${command} was refused here (no event was stored): `), reason)),
    ...(no.length > most ? [make("li", {}, `and ${no.length - most} more refused here`)] : []));
    refusals.forEach((one) => one.classList.toggle("tt-now", Number(one.dataset.at) === s.at));
  }

  function updateEvent() {
    const ahead = Boolean(s.quiz) && !s.quiz.past;
    const number = ahead ? s.quiz.number : s.at;
    const here = number === 0 || film.has(number);
    const key = `${number}:${ahead}:${here}`;
    if (card.dataset.key === key) return;
    card.dataset.key = key;
    parts.copyEvent.hidden = number === 0;
    write(parts.eventTitle, ahead ? "Next event" : number ? `Event ${number}` : "Event");
    if (number === 0) {
      parts.eventHead.replaceChildren(make("strong", {}, "Before anything happened"));
      parts.eventLines.replaceChildren();
      parts.data.hidden = parts.meta.hidden = true;
      return;
    }
    const k = number - 1;
    const type = payload.types[payload.type[k]];
    parts.eventHead.replaceChildren(mark(type, "1.8em"), make("strong", {}, type.name),
      make("span", { class: "w-soft" }, payload.version[k] > 1 ? ` version ${payload.version[k]}` : ""));
    const lines = [];
    const delta = k > 0 && payload.time[k] !== null && payload.time[k - 1] !== null
      ? payload.time[k] - payload.time[k - 1] : null;
    lines.push(`${moment(payload.time[k])} UTC${delta === null ? ""
      : ` (${delta < 0 ? "−" : "+"}${span(delta)})`}`);
    let first = k;
    let last = k;
    while (first > 0 && payload.command[first - 1] === payload.command[k]) first -= 1;
    while (last < n - 1 && payload.command[last + 1] === payload.command[k]) last += 1;
    if (last > first) lines.push(`${k - first + 1} of ${last - first + 1} events of one command`);
    if (!ahead && here) lines.push(`changes: ${[...new Set(film.step(number).map((c) => fieldOf(c.path)))].join(", ") || "nothing"}`);
    parts.eventLines.replaceChildren(...lines.map((line) => make("div", {}, line)));
    parts.data.hidden = false;
    write(parts.data, here ? pretty(payload.data[k]) : "…");
    parts.meta.hidden = !here || payload.metadata[k] === "{}";
    if (here) write(parts.meta, pretty(payload.metadata[k]));
  }

  // -- life --

  const table = tableOf(clock, { parts, refused: refused.length > 0, many });
  const panels = panelsOf(clock, { root, parts, id, button, mark });
  return keepDrawn(clock.listen, update, track);
}

const widget = widgetOf(makeClock, view);
export default widget;
