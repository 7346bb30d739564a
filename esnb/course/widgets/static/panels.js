// The panels of TimeTravel: keys, prediction, what if, search, order. One is open at a time.
import { plural, pretty } from "./core.js";
import { choice, draw, keyList, make, suppress } from "./page.js";
import { OPS } from "./table.js";

const KEYS = [
  ["← →", "one step"], ["Page Up, Page Down", "10 steps; in projector mode the stops"],
  ["Home, End", "before the first event, after the last"], ["Space", "play or pause"],
  ["Shift + ← →", "previous or next stop"], ["[ ]", "events that changed the chosen field, or pass the filter"],
  ["a, b", "pin A or B here"], ["c", "compare the pins"], ["m", "what if this event had not happened?"],
  ["p", "predict the next event, then reveal"], ["g", "go to a number or a time"],
  ["f", "filter by type or text"], ["↑ ↓", "along the buttons or fields of a group"], ["?", "this list"],
  ["Esc", "leave; twice: back to the notebook"],
];

export function panelsOf(clock, { root, parts, id, button, mark }) {
  const { payload, film, n, s } = clock;
  let drawn = "";
  function update() {
    const open = s.quiz ? "quiz" : s.panel;
    parts.panel.hidden = !open;
    root.classList.toggle("tt-asking", open === "quiz" && !s.quiz.past);
    root.classList.toggle("tt-ordering", open === "order"); // the timeline would tell the answer
    root.classList.toggle("tt-paneled", Boolean(open) && (open !== "quiz" || s.quiz.past));
    const facts = open === "quiz" ? [s.quiz.number, s.quiz.committed]
      : open === "what-if" ? [s.projector, s.muted, s.policy, s.experiment?.problem, Boolean(s.experiment)]
        : open === "order" ? [s.order.numbers, s.order.verdict] : open === "find" ? [s.probes?.shown, s.probes?.path, s.probes?.value, s.probes?.test] : [];
    const key = JSON.stringify([open, ...facts]);
    if (key !== drawn) {
      drawn = key;
      const had = parts.panel.contains(document.activeElement);
      parts.panel.replaceChildren(...({ keys: keysPanel, quiz: quizPanel, "what-if": whatIfPanel,
        find: findPanel, order: orderPanel }[open]?.() ?? []));
      const moved = open === "order" && s.order.focus !== null
        ? parts.panel.querySelectorAll(".tt-item")[s.order.focus] : null;
      if (moved) {
        const pair = [...moved.querySelectorAll("button")];
        const same = pair[s.order.by > 0 ? 1 : 0];
        (same.disabled ? pair.find((b) => !b.disabled) : same)?.focus({ preventScroll: true });
      } else if (had || open === "quiz")
        parts.panel.querySelector("input:not([disabled]), button:not([disabled]), select")?.focus({ preventScroll: true });
      if (!open && had) root.focus({ preventScroll: true });
    }
    if (open === "quiz" && parts.commit) parts.commit.disabled = !clock.ready();
  }
  function keysPanel() {
    return [make("h3", {}, "Keys, while the focus is in here"), keyList(KEYS)];
  }
  function quizPanel() {
    const { quiz } = s;
    if (quiz.committed) {
      parts.commit = null;
      const area = make("textarea", { rows: 2, ...suppress, id: `${id}-why` });
      area.addEventListener("input", () => {
        quiz.why = area.value;
      });
      const good = quiz.rows.every((row) => row.match);
      return [make("h3", {}, `Event ${quiz.number}: your answer and the fact`),
        make("table", {}, make("thead", {}, make("tr", {}, ...["question", "your answer", "actual", ""].map(
          (t) => make("th", { scope: "col" }, t)))), make("tbody", {}, ...quiz.rows.map((row) =>
          make("tr", { class: row.match ? "tt-match" : "tt-differs" }, make("td", {}, row.question),
            make("td", {}, row.answer), make("td", {}, row.actual),
            make("td", {}, row.match ? "✓ match" : "≠ different"))))),
        make("label", { for: `${id}-why` }, good ? "Why is it so? " : "Why is it different? "), area,
        make("div", { class: "w-bar" }, button("reveal", "continue (p)", () => clock.reveal()))];
    }
    const fields = quiz.questions.map((q, k) => make("fieldset", {}, make("legend", {}, q.text),
      ...[...q.options, "I do not know"].map((option) => choice(`${id}-q${k}`, option,
        () => clock.choose(k, option), quiz.given[k] === option))));
    return [make("h3", {}, quiz.past ? "Which event did this?"
      : `Predict event ${quiz.number}: ${clock.typeName(quiz.number)}`),
      make("p", { class: "w-soft tt-hint" }, quiz.past
        ? "Look around if you like, then commit to an answer."
        : "Commit to an answer, then see the fact. A wrong guess helps too."),
      make("div", { class: "tt-questions" }, ...fields),
      make("div", { class: "w-bar" }, button("commit", "commit (p)", () => clock.commit()),
        button("skip", "leave (Esc)", () => clock.leave()))];
  }
  function strip(label, numbers, muted, refused, until) {
    return make("div", { class: "tt-strip" }, make("span", { class: "tt-strip-name" }, label),
      ...numbers.map((k) => {
        const off = muted.has(k);
        const no = refused.has(k);
        const state_ = off ? "muted" : no ? "refused" : k > until ? "not reached" : "";
        const one = make("span", { class: `tt-small-mark ${off ? "tt-muted" : ""} ${
          k > until && !no ? "tt-later" : ""}`, title: `${k}: ${clock.typeName(k)} ${state_}` },
        mark(payload.types[payload.type[k - 1]], "1.4em"));
        if (no) one.append(draw("svg", { viewBox: "0 0 24 24", class: "w-cross" },
          draw("path", { d: "M4 4l16 16M20 4L4 20" })));
        return one;
      }));
  }
  function whatIfPanel() {
    const list = s.muted.map((k) => button(`unmute${k}`, `${k} ${clock.typeName(k)} ×`,
      () => clock.mute(k), { "aria-label": `unmute ${k} ${clock.typeName(k)}` }));
    const names = { stop: "stop at the first refusal", skip: "leave refused events out",
      force: "apply them all the same" };
    const select = make("select", { ...suppress, "aria-label": "when an event is refused" },
      ...Object.entries(names).map(([value, text]) => make("option", { value,
        selected: value === s.policy }, text)));
    select.addEventListener("change", () => clock.setPolicy(select.value));
    const few = s.muted.length === 1 ? `event ${s.muted[0]}` : `events ${s.muted.join(", ")}`;
    const out = [make("h3", {}, `What if ${few} had not happened?`),
      make("p", { class: "w-soft" }, "A thought experiment: nothing is stored. A fact is never deleted; "
        + "in production you append an event that compensates."),
      make("div", { class: "w-bar" }, make("span", {}, "muted: "), ...list, select,
        button("unmuteAll", "leave (Esc)", () => clock.leave()))];
    const found = s.experiment;
    if (!found) return [...out, make("p", {}, "Folding again…")];
    if (found.problem) return [...out, make("p", { class: "tt-problem" }, found.problem)];
    const refused = new Map(found.refused);
    const most = s.projector ? 2 : 8;
    const until = found.policy === "stop" && refused.size ? found.number : n;
    if (n <= 60) {
      const numbers = Array.from({ length: n }, (_, k) => k + 1);
      out.push(make("div", { class: "tt-strips" }, strip("fact", numbers, new Set(), new Set(), n),
        strip("what if", numbers, new Set(found.muted), new Set(
          found.policy === "stop" ? [...refused.keys()].slice(0, 1) : refused.keys()), until)));
    }
    out.push(refused.size ? make("div", { class: "tt-refused" },
      make("p", {}, make("strong", {}, found.policy === "force"
        ? `${plural(refused.size, "later event")} would have been refused:`
        : `${plural(refused.size, "later event")} ${refused.size === 1 ? "becomes" : "become"} impossible:`)),
      make("ul", {}, ...found.refused.slice(0, most).map(([k, why]) => make("li", {},
        make("strong", {}, `✕ ${k} ${clock.typeName(k)}: `), why)),
      ...(refused.size > most ? [make("li", {}, `and ${refused.size - most} more`)] : [])))
      : make("p", {}, "No later event is refused."));
    out.push(found.rows.length ? make("table", {}, make("thead", {}, make("tr", {},
      ...["field", `fact at ${found.fact_at}`, `what if, after ${found.number}`, "change"].map(
        (t) => make("th", { scope: "col" }, t)))), make("tbody", {}, ...found.rows.slice(0, s.projector ? 2 : 40).map(
      ([path, fact, other]) => {
        const op = fact === null ? "+" : other === null ? "-" : "~";
        return make("tr", { class: { "+": "w-added", "~": "w-changed", "-": "w-removed" }[op] },
          make("th", { scope: "row" }, path), make("td", {}, fact ?? ""), make("td", {}, other ?? ""),
          make("td", {}, `${op} ${OPS[op]}`));
      }))) : make("p", {}, "Both states are the same."));
    return out;
  }
  function findPanel() {
    const path = make("select", { ...suppress, "aria-label": "field" }, ...film.paths.slice(0, 500).map(
      (name) => make("option", { value: name, selected: name === (s.probes?.path ?? s.field) }, name)));
    const test = make("select", { ...suppress, "aria-label": "comparison" },
      ...["<", "<=", "=", "!=", ">=", ">"].map((t) => make("option", { value: t,
        selected: t === (s.probes?.test ?? "=") }, t)));
    const value = make("input", { type: "text", ...suppress, "aria-label": "value", class: "tt-value" });
    value.value = s.probes?.value ?? "";
    const go = () => clock.search(path.value, test.value, value.value);
    value.addEventListener("keydown", (event) => {
      if (event.key === "Enter") go();
    });
    const out = [make("h3", {}, "The first event after which…"),
      make("div", { class: "w-bar" }, path, test, value, button("search", "search", go),
        button("closeFind", "leave (Esc)", () => clock.leave()))];
    const found = s.probes;
    if (!found) return out;
    const { probes, shown } = found;
    const rows = probes.slice(0, shown).map(([i, yes], k) => make("li", {},
      `probe ${k + 1}: after event ${i} it is ${film.value(found.path, i) ?? "absent"}: ${yes ? "yes" : "no"}`));
    out.push(make("p", { class: "w-soft" }, `Bisection asks ${plural(probes.length, "state")} of ${n + 1}. `
      + "It is right only if the answer, once yes, stays yes."), make("ol", {}, ...rows));
    if (shown < probes.length) out.push(make("div", { class: "w-bar" },
      button("probe", `probe ${shown + 1}`, () => clock.probe())));
    else {
      const answer = found.found === null ? "After the last event it does not hold, so bisection finds nothing."
        : found.found === 0 ? "It holds before anything happened." : `Event ${found.found}, ${clock.typeName(found.found)}.`;
      const trust = found.turns > 1
        ? ` The answer changes ${found.turns} times, so bisection cannot be trusted: asking every state finds ${
          found.scan === null ? "nothing" : found.scan}.` : "";
      out.push(make("p", {}, make("strong", {}, answer), trust));
      if (found.found) out.push(make("div", { class: "w-bar" },
        button("toFound", `go to ${found.found}`, () => clock.move(found.found))));
    }
    return out;
  }

  function orderPanel() {
    const { numbers, verdict } = s.order;
    const bad = verdict && verdict !== "legal" ? verdict.index : -1;
    const items = numbers.map((k, place) => {
      const type = payload.types[payload.type[k - 1]];
      const name = `${type.name} ${pretty(payload.data[k - 1], 1e9)}`;
      const item = make("li", { class: "tt-item" },
        button(`up${place}`, "↑", () => clock.shift(place, -1),
          { "aria-label": `move ${type.name} up, now ${place + 1}`, disabled: place === 0 }),
        button(`down${place}`, "↓", () => clock.shift(place, 1),
          { "aria-label": `move ${type.name} down, now ${place + 1}`, disabled: place === n - 1 }),
        mark(type, "1.5em"), make("span", { class: "tt-item-text" }, name));
      if (place === bad) {
        item.classList.add("tt-refused");
        item.append(make("div", { class: "tt-reason" }, make("strong", {}, "✕ "), verdict.reason));
      }
      return item;
    });
    const same = numbers.every((k, place) => k === place + 1);
    return [make("h3", {}, "Put the events in an order that the rules allow"),
      make("ol", { class: "tt-order" }, ...items),
      make("div", { class: "w-bar" }, button("check", "check", () => clock.check()),
        button("leaveOrder", "leave (Esc)", () => clock.leave()),
        make("span", { role: "status" }, verdict === null ? "" : verdict !== "legal"
          ? `Number ${bad + 1} cannot follow here.` : same ? "✓ This is how it happened."
            : "✓ The rules allow it. It is not how it happened: more than one order may be legal."))];
  }

  return {
    update,
    forget: () => {
      drawn = "";
    },
  };
}
