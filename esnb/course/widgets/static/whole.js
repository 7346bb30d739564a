// A whole store as of a time: a summary, and a table of its aggregates. Python looks, and folds what
// is shown; the browser asks, one question at a time, the newest first. Texts of events, states and
// ids are only ever set as text.
import { bins, clamp, moment, newestOnly, next, numberAt, parseTime, plural } from "./core.js";
import {
  button, contentOf, copy, draw, iconButton, keepDrawn, kernelOf, keyList, listenKeys, make, rover, speaker, suppress, symbol,
  widgetOf, write,
} from "./page.js";

const STEPS = [["event", null], ["minute", 60e6], ["hour", 3600e6], ["day", 86400e6], ["week", 604800e6]];
const WORDS = { "+": "+ new", "~": "~ changed", "-": "− closed", "": "" };
const KINDS = { "+": "w-added", "~": "w-changed", "-": "w-removed", "": "" };
const PAGE = 12;
const WHOLE_KEYS = [
  ["← →", "one step of time"], ["Page Up, Page Down", "10 steps"], ["Home, End", "before the first event, at the last"],
  ["↑ ↓", "from row to row, or along a group"], ["Enter", "open the time travel of this row"],
  ["a", "pin: compare with this time from now on"], ["s", "the next size of a step"],
  ["c", "only what changed"], ["g", "go to a time"], ["?", "this list"], ["Esc", "leave; twice: back to the notebook"],
];
const MEANINGS = { ArrowLeft: "back", ArrowRight: "next", PageUp: "back-10", PageDown: "next-10", Home: "start",
  End: "end", a: "pin", s: "step", c: "changed", g: "goto", "?": "keys", Escape: "leave" };

function makeWhole(model) {
  const payload = contentOf(model);
  const packed = payload.times ? Uint8Array.from(atob(payload.times), (c) => c.charCodeAt(0)) : model.get("_times");
  const bytes = packed.buffer ? packed : new Uint8Array(packed);
  const times = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const first = times[0];
  const last = times[times.length - 1];
  const { emit, listen } = speaker();
  const ready = new Map((payload.stops ?? []).map((answer) => [answer.us, answer]));
  const stops = [...ready.keys()];
  const s = { at: model.get("_at"), pin: model.get("_pin"), step: 0, kind: null, text: "", changed: false, first: 0,
    answer: payload.answer, stale: false, problem: "", keys: false, spoken: "", projector: Boolean(model.get("projector")) };
  let settling = null;
  let veil = null;
  let sent = s.at;
  const trips = [];

  // The place before a time where something else was to be seen: what a summary compares with.
  const before = (us) => next(times, next(times, us + 1, -1) ?? -Infinity, -1) ?? first - 1;
  function since() {
    if (!model.send) return ready.get(s.at)?.since ?? first - 1;
    if (s.pin !== null) return s.pin;
    const size = STEPS[s.step][1];
    return size === null ? before(s.at) : s.at - size;
  }
  const ask = kernelOf(model);
  const wish = () => ({ us: s.at, since: since(), kind: s.kind, text: s.text, changed: s.changed, first: s.first });
  const request = newestOnly(async (wanted) => {
    const begin = performance.now();
    const reply = await ask("look", wanted);
    if (reply.error) s.problem = reply.error;
    else {
      trips.push(performance.now() - begin);
      s.answer = reply.result;
    }
    if (reply.error || JSON.stringify(wanted) === JSON.stringify(wish())) {
      clearTimeout(veil);
      veil = null;
      s.stale = false;
      settle();
    }
    emit();
  });
  function look() {
    s.problem = "";
    if (!model.send) {
      s.answer = ready.get(s.at);
      settle();
      return emit();
    }
    veil ??= setTimeout(() => {
      s.stale = true;
      emit();
    }, 100);
    request(wish());
    return emit();
  }
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      s.spoken = `as of ${moment(s.at)}: ${plural(s.answer.aggregates, "aggregate")}; ${summary()}`;
      if (sent !== s.at) {
        sent = s.at;
        model.set("_at", s.at);
      }
      model.set("_since", since());
      model.save_changes();
      emit();
    }, 120);
  }
  function summary() {
    const { answer } = s;
    const counts = [`${answer.new} new`, `${answer.changed} changed`];
    if (answer.closed !== null) counts.push(`${answer.closed} closed`);
    return `since ${moment(answer.since)}: ${counts.join(", ")}`;
  }
  /** Without a kernel there are the places that Python looked at ahead. */
  const nearest = (us) => (model.send ? us
    : stops.reduce((a, b) => (Math.abs(b - us) < Math.abs(a - us) ? b : a)));
  function move(us) {
    s.at = nearest(clamp(Math.round(us), first - 1, last));
    s.first = 0;
    look();
  }
  function step(count) {
    const size = STEPS[s.step][1];
    const list = model.send ? times : stops;
    let to = s.at;
    if (size !== null && model.send) to += count * size;
    else for (let k = 0; k < Math.abs(count); k += 1) to = next(list, to, count) ?? (count > 0 ? last : first - 1);
    move(to);
  }
  function go(text) {
    const us = parseTime(text);
    if (us !== null) return move(us), true;
    s.problem = "Not a time such as 2026-03-02 15:00.";
    emit();
    return false;
  }
  function change(values) {
    Object.assign(s, { first: 0 }, values);
    look();
  }
  async function open(id) {
    if (!model.send) return;
    const reply = await ask("open", { aggregate: id, us: s.at });
    if (reply.error) s.problem = reply.error;
    emit();
  }
  const ACTIONS = {
    back: () => step(-1), next: () => step(1), "back-10": () => step(-10), "next-10": () => step(10),
    start: () => move(first - 1), end: () => move(last), changed: () => change({ changed: !s.changed }),
    pin: () => {
      s.pin = s.pin === null ? s.at : null;
      model.set("_pin", s.pin);
      look();
    },
    step: () => change({ step: (s.step + 1) % STEPS.length }),
    keys: () => {
      s.keys = !s.keys;
      emit();
    },
  };
  model.on("change:_at", () => {
    if (model.get("_at") === s.at || model.get("_at") === sent) return;
    sent = model.get("_at");
    move(sent);
  });
  model.on("change:_pin", () => {
    if (model.get("_pin") === s.pin) return;
    s.pin = model.get("_pin");
    look();
  });
  return { payload, times, first, last, s, listen, move, go, change, open, summary, since, trips, live: () => Boolean(model.send),
    act: (name) => ACTIONS[name]?.(),
    setProjector: (on) => {
      s.projector = on;
      model.set("projector", on);
      model.save_changes();
      emit();
    },
    leave: () => {
      if (!s.keys) return false;
      ACTIONS.keys();
      return true;
    },
    stop: () => {
      clearTimeout(settling);
      clearTimeout(veil);
    } };
}

function wholeView(whole, el) {
  const { payload, times, first, last, s } = whole;
  const span = Math.max(1, last - first);
  const does = (name) => () => whole.act(name);
  const toggle = (label, onclick) => button(label, onclick, { "aria-pressed": "false" });
  const moves = make("div", { class: "w-bar", role: "toolbar", "aria-label": "move" },
    iconButton("before the first event (Home)", does("start"), ["start"]),
    iconButton("one step back (left arrow)", does("back"), ["back"]),
    iconButton("one step forward (right arrow)", does("next"), ["next"]),
    iconButton("at the last event (End)", does("end"), ["end"]));
  const time = make("input", { type: "text", ...suppress, placeholder: "2026-03-02 15:00", class: "wh-time",
    "aria-label": "go to a time, UTC, inclusive", spellcheck: "false" });
  time.addEventListener("keydown", ({ key }) => {
    if (key === "Enter" && whole.go(time.value)) time.value = "";
  });
  const size = button("", does("step"));
  const pin = toggle("pin A (a)", does("pin"));
  const projector = toggle("projector", () => whole.setProjector(!s.projector));
  const keys = toggle("keys ?", does("keys"));
  const options = make("div", { class: "w-bar wh-options", role: "toolbar", "aria-label": "options" }, size, pin,
    projector, keys);
  const count = make("div", { class: "w-count", "aria-hidden": "true" });
  const head = make("div", { class: "wh-head" }, make("div", { class: "w-title" }, make("strong", {}, "all aggregates"),
    " as of"), count);
  const top = make("div", { class: "wh-top" }, moves, make("label", {}, "at time (UTC) ", time), options);

  // The line of time: counts of events per column, and where we stand.
  const counts = draw("svg", { class: "wh-counts", preserveAspectRatio: "none", "aria-hidden": "true" });
  const range = make("input", { type: "range", min: 0, max: 1000, step: "any", ...suppress, class: "wh-range",
    "aria-label": "time" });
  const head_ = make("div", { class: "wh-playhead" });
  const between = make("div", { class: "wh-between" });
  const flag = make("div", { class: "wh-pin", "aria-hidden": "true" }, "A");
  const track = make("div", { class: "wh-track" }, counts, between, range, head_, flag);
  const ends = make("div", { class: "wh-ends w-soft", "aria-hidden": "true" }, make("span", {}, moment(first).slice(0, 16)),
    make("span", {}, moment(last).slice(0, 16)));
  const share = (us) => clamp((us - first) / span, 0, 1);
  let dragging = false;
  const under = ({ clientX }) => {
    const box = track.getBoundingClientRect();
    return first + clamp((clientX - box.left) / box.width, 0, 1) * span;
  };
  track.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = true;
    track.setPointerCapture(event.pointerId);
    whole.move(under(event));
    range.focus({ preventScroll: true });
    event.preventDefault();
  });
  track.addEventListener("pointermove", (event) => dragging && whole.move(under(event)));
  for (const name of ["pointerup", "pointercancel"]) track.addEventListener(name, () => {
    dragging = false;
  });
  range.addEventListener("input", () => whole.move(first + (range.value / 1000) * span));

  const told = make("p", { class: "wh-summary" });
  const problem = make("p", { role: "alert", class: "wh-problem" });
  const panel = make("section", { class: "w-panel" }, make("strong", {}, "Keys, while the focus is in here"),
    keyList(WHOLE_KEYS));
  // Which rows: one kind, only what changed, a text in the name.
  const kinds = payload.kinds.map((name, k) => toggle(name, () => whole.change({ kind: s.kind === k ? null : k })));
  const only = toggle("only what changed (c)", does("changed"));
  const choose = make("div", { class: "w-bar wh-choose", role: "toolbar", "aria-label": "rows" },
    ...(kinds.length > 1 ? kinds : []), only);
  const text = make("input", { type: "text", ...suppress, placeholder: "part of an id", class: "wh-text",
    "aria-label": "aggregates whose id has a text", spellcheck: "false" });
  text.addEventListener("input", () => whole.change({ text: text.value }));
  const columns = ["aggregate", ...payload.columns, "last event", "version", "change"];
  const body = make("tbody");
  const table = make("table", { class: "wh-table" }, make("thead", {}, make("tr", {}, ...columns.map((name) =>
    make("th", { scope: "col" }, name)))), body);
  const rows = make("div", { role: "group", "aria-label": "aggregates" }, table);
  const back = button("previous rows", () => turn(-PAGE));
  const forth = button("next rows", () => turn(PAGE));
  const where = make("span", { class: "w-soft" });
  const pages = make("div", { class: "w-bar wh-pages", role: "toolbar", "aria-label": "pages" }, back, forth, where);
  function turn(by) {
    s.first = Math.max(0, s.first + by);
    whole.change({ first: s.first });
  }
  const code = make("code");
  const line = make("div", { class: "w-code" }, make("span", { class: "w-soft" }, "Code"), code,
    button("copy", ({ currentTarget }) => copy(currentTarget, code.textContent)));
  const live = make("div", { class: "w-live", role: "status", "aria-live": "polite" });
  const root = make("div", { class: "esnb-whole", role: "group", tabindex: "-1", ...suppress,
    "aria-label": "the whole store as of a time" }, head, top, track, ends, told, problem, panel,
  make("div", { class: "w-bar" }, choose, text), rows, pages, line, live);
  root.trips = whole.trips; // for measuring
  el.replaceChildren(root);

  const groups = rover([moves, options, choose, rows, pages]);
  listenKeys(root, groups, {
    action: (key) => MEANINGS[key.length === 1 ? key.toLowerCase() : key] ?? null,
    act: (name) => (name === "goto" ? time.focus() : whole.act(name)),
    leave: () => {
      if (whole.leave()) return true;
      if (!document.activeElement.matches("input[type=text]")) return false;
      root.focus({ preventScroll: true });
      return true;
    },
    upDown: (steps, target) => (target === range ? whole.act(steps > 0 ? "back" : "next")
      : body.querySelector("button")?.focus()),
  });

  let width = 0;
  function place() {
    if (track.clientWidth === width) return;
    width = track.clientWidth;
    const columnsOf = Math.max(50, Math.floor(width || 600));
    const [row] = bins(times.length, (k) => share(times[k - 1]), () => 0, 1, columnsOf);
    const most = row.reduce((a, b) => Math.max(a, b), 1);
    let d = "";
    row.forEach((n, x) => {
      if (n) d += `M${x} 100h1v${-(6 + (90 * n) / most).toFixed(1)}h-1z`;
    });
    counts.setAttribute("viewBox", `0 0 ${columnsOf} 100`);
    counts.replaceChildren(draw("path", { d }));
  }
  const pool = [];
  function rowAt(k) {
    if (pool[k]) return pool[k];
    const name = button("", () => whole.open(pool[k].id), { class: "wh-name" });
    const mark = make("span", { class: "wh-type" });
    const cells = [...payload.columns, "type", "version", "change"].map(() => make("td"));
    const tr = make("tr", {}, make("th", { scope: "row" }, name), ...cells);
    body.append(tr);
    pool[k] = { tr, name, cells, mark, type: null, id: null };
    return pool[k];
  }
  function fill(slot, row) {
    const { tr, name, cells } = slot;
    slot.id = row.id;
    tr.hidden = false;
    if (tr.className !== KINDS[row.sign]) tr.className = KINDS[row.sign];
    write(name, row.id);
    name.disabled = !whole.live();
    const title = whole.live() ? `open the time travel of ${row.id}` : "run the notebook to open it";
    if (name.title !== title) name.title = title;
    payload.columns.forEach((_, k) => {
      const [then, now] = row.cells[k];
      const changed = row.sign !== "+" && then !== null && then !== now;
      write(cells[k], now === null ? "" : changed ? `${then} → ${now}` : now);
      cells[k].classList.toggle("wh-changed", changed || (row.sign === "+" && now !== null));
    });
    const [type, version, change] = cells.slice(payload.columns.length);
    if (slot.type !== row.event_type) {
      slot.type = row.event_type;
      const drawn = symbol(payload.types[row.event_type], "1.3em");
      drawn.setAttribute("aria-hidden", "true");
      drawn.removeAttribute("role");
      type.replaceChildren(make("span", { class: "wh-type" }, drawn, make("span", {}, row.event_type)));
    }
    type.title = `${moment(row.us)} UTC`;
    write(version, String(row.version));
    write(change, WORDS[row.sign]);
  }
  const press = (pressed, on) => pressed.setAttribute("aria-pressed", String(on));
  function update() {
    place();
    root.classList.toggle("w-projector", s.projector);
    root.classList.toggle("wh-stale", s.stale);
    const { answer } = s;
    write(count, `${moment(s.at).replace(/\.\d+$/, "")}`);
    const percent = (us) => `${(share(us) * 100).toFixed(3)}%`;
    head_.style.left = percent(s.at);
    between.style.left = percent(Math.min(whole.since(), s.at));
    between.style.width = `${Math.abs(share(s.at) - share(whole.since())) * 100}%`;
    const pinned = whole.live() ? s.pin : answer.since;
    flag.hidden = pinned === null;
    if (pinned !== null) flag.style.left = percent(pinned);
    if (document.activeElement !== range || !dragging) range.value = share(s.at) * 1000;
    const behind = numberAt(times, s.at) ?? 0;
    range.setAttribute("aria-valuetext", `${moment(s.at)}, ${behind} of ${plural(times.length, "event")}`);
    write(size, `step: 1 ${whole.live() ? STEPS[s.step][0] : "stop"}`);
    size.disabled = pin.disabled = !whole.live();
    write(pin, s.pin === null ? "pin A (a)" : "unpin A (a)");
    press(pin, s.pin !== null);
    press(projector, s.projector);
    press(keys, s.keys);
    kinds.forEach((one, k) => press(one, s.kind === k));
    press(only, s.changed);
    panel.hidden = !s.keys;
    for (const one of [...kinds, only, text]) one.disabled = !whole.live();
    told.replaceChildren(make("strong", {}, whole.summary()), ` · ${plural(answer.aggregates, "aggregate")}, ${
      plural(answer.events, "event")}`);
    write(problem, s.problem);
    const most = s.projector ? 6 : PAGE;
    const shown = answer.rows.slice(0, most);
    shown.forEach((row, k) => fill(rowAt(k), row));
    for (let k = shown.length; k < pool.length; k += 1) pool[k].tr.hidden = true;
    back.disabled = !whole.live() || answer.first === 0;
    forth.disabled = !whole.live() || answer.first + answer.rows.length >= answer.found;
    write(where, answer.found ? `${answer.first + 1} to ${answer.first + shown.length} of ${answer.found}` : "no aggregate");
    write(code, `store.as_of("${moment(s.at).replace(" ", "T")}Z")`);
    write(live, s.spoken);
    groups.all();
  }
  return keepDrawn(whole.listen, update, track);
}

const widget = widgetOf(makeWhole, wholeView);
export default widget;
