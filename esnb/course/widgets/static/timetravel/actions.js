// The row of actions: questions, pins, filter, search, order; and the line of Python.
import { bar, button, copy, make, press, toggleButton, write } from "../shared/elements.js";
import { code } from "../shared/words.js";

/** @typedef {import("./types.js").Clock} Clock */

/** @param {Clock} clock */
export function actionsOf(clock) {
  const { payload, n, s } = clock;
  const does = (name) => () => clock.act(name);
  const predict = button("predict next (p)", does("predict"));
  const mute = button("what if not? (m)", does("mute"));
  const compare = toggleButton("compare (c)", does("compare"));
  const clear = button("clear pins", () => clock.change({ asking: true }));
  const which = button("which event?", () => clock.openPast());
  const filter = toggleButton("filter (f)", does("filter"));
  const find = toggleButton("find", () => clock.toggle("find"));
  const order = toggleButton("put in order", () =>
    s.panel === "order" ? clock.leave() : clock.openOrder(),
  );
  const discard = make(
    "span",
    { class: "tt-discard" },
    make("span", {}, "Discard both pins? "),
    button("discard", () => clock.clearPins()),
    button("keep", () => clock.change({ asking: false })),
  );
  const element = bar(
    "questions",
    predict,
    mute,
    button("pin A (a)", does("pin-a")),
    button("pin B (b)", does("pin-b")),
    compare,
    clear,
    which,
    filter,
    find,
    order,
    discard,
  );
  element.classList.add("tt-tools");
  function update() {
    press(filter, s.filter.open || Boolean(clock.passed()));
    press(compare, s.compare);
    press(find, s.panel === "find");
    press(order, s.panel === "order");
    order.hidden = !clock.face().order;
    find.hidden = which.hidden = Boolean(payload.long);
    predict.disabled = s.at === n;
    write(predict, s.quiz ? (s.quiz.committed ? "reveal (p)" : "commit (p)") : "predict next (p)");
    mute.disabled = s.at === 0;
    write(mute, s.muted.includes(s.at) ? "unmute (m)" : "what if not? (m)");
    const pinned = s.pins.some((pin) => pin !== null);
    clear.hidden = !pinned || s.asking;
    discard.hidden = !s.asking || !pinned;
    compare.disabled = s.pins.includes(null);
  }
  return { element, update };
}

/** @param {Clock} clock */
export function codeLineOf(clock) {
  const { payload, s } = clock;
  const text = make("code");
  const copied = button("copy", () => copy(copied, text.textContent));
  const element = make("div", { class: "w-code" }, make("h3", {}, "Code"), text, copied);
  const update = () =>
    write(
      text,
      code(
        { ...clock.face(), id: payload.id },
        {
          at: s.at,
          compare: s.compare ? s.pins : null,
          muted: s.panel === "what-if" ? s.muted : null,
          policy: s.policy,
        },
      ),
    );
  return { element, update };
}
