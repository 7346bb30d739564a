// What the views share on a page: elements, keys, one clock for all views of a model. The meaning is
// not here: core.js computes, and Python folds.

const SVG = "http://www.w3.org/2000/svg";

/** Keeps JupyterLab's shortcuts away; it looks at the focused element only, so each one has it. */
export const suppress = { "data-lm-suppress-shortcuts": "true" };

// -- elements -------------------------------------------------------------------------------------

export function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return element;
}
/** An element with its attributes and children. Texts become text, never HTML. */
export const make = (name, attributes = {}, ...children) =>
  dress(document.createElement(name), attributes, children);
export const draw = (name, attributes = {}, ...children) =>
  dress(document.createElementNS(SVG, name), attributes, children);
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  start: "M5 5v14M19 5l-10 7 10 7z", back: "M15 5l-8 7 8 7", play: "M7 4l13 8-13 8z",
  pause: "M7 5v14M17 5v14", next: "M9 5l8 7-8 7", end: "M19 5v14M5 5l10 7-10 7z",
};
export const button = (label, onclick, extra = {}) =>
  make("button", { type: "button", ...suppress, onclick, ...extra }, label);
/** A button with one or more icons; its label is its name. */
export function iconButton(label, onclick, icons, extra = {}) {
  const made = button("", onclick, { "aria-label": label, title: label, ...extra });
  made.append(...icons.map((name) => draw("svg", { viewBox: "0 0 24 24", "aria-hidden": "true",
    class: `w-icon w-icon-${name}` }, draw("path", { d: ICONS[name] }))));
  return made;
}
export const bar = (label, ...children) =>
  make("div", { class: "w-bar", role: "toolbar", "aria-label": label }, ...children);
export const keyList = (keys) => make("dl", { class: "w-keys" },
  ...keys.flatMap(([key, text]) => [make("dt", {}, key), make("dd", {}, text)]));
/** One answer of a question: a radio button with its text. */
export function choice(name, text, onchange, checked = false) {
  const input = make("input", { type: "radio", name, value: text, ...suppress, onchange });
  input.checked = checked;
  return make("label", { class: "w-choice" }, input, make("span", {}, text));
}

/** An event type as the course draws it everywhere: shape, hue and two letters. */
export function symbol(type, size = "26px") {
  const shape = type.points ? draw("polygon", { points: type.points })
    : draw("circle", { cx: 12, cy: 12, r: 10.5 });
  dress(shape, { fill: type.hue, class: "w-shape" }, []);
  return draw("svg", { viewBox: "0 0 24 24", width: size, height: size, class: "w-symbol", role: "img",
    "aria-label": type.name }, draw("title", {}, type.name), shape,
  draw("text", { x: 12, y: type.y, fill: type.ink, class: "w-letters" }, type.code));
}
/** The cross of a conflict or a refusal, outlined so that it is seen on every ground. */
export const cross = () => draw("svg", { viewBox: "0 0 24 24", class: "w-cross", "aria-hidden": "true" },
  draw("path", { class: "w-edge", d: "M4 4L20 20M20 4L4 20" }), draw("path", { d: "M4 4L20 20M20 4L4 20" }));

// -- keys -----------------------------------------------------------------------------------------

/** One tab stop a group of buttons; up and down move between them. */
export function rover(groups) {
  const inside = (group) =>
    [...group.querySelectorAll("button")].filter((b) => b.offsetParent && !b.disabled);
  function rove(group, wanted = null) {
    const all = inside(group);
    const current = wanted ?? all.find((b) => b.tabIndex === 0) ?? all[0];
    for (const b of group.querySelectorAll("button")) b.tabIndex = b === current ? 0 : -1;
  }
  for (const group of groups)
    group.addEventListener("focusin", ({ target }) => {
      if (target.tagName === "BUTTON") rove(group, target);
    });
  return {
    all: () => groups.forEach((group) => rove(group)),
    /** From a button to the next one of its group; false where there is no group. */
    go(from, steps) {
      const group = from.tagName === "BUTTON" && groups.find((one) => one.contains(from));
      if (!group) return false;
      const all = inside(group);
      const to = all[(all.indexOf(from) + steps + all.length) % all.length];
      rove(group, to);
      to.focus();
      return true;
    },
  };
}

/** Give the focus back to the cell, so that the notebook's own keys work again. */
export function toNotebook(root) {
  const outside = root.closest(".jp-Cell")?.closest(".jp-Notebook")
    ?? root.parentElement?.closest("[tabindex]");
  document.activeElement?.blur();
  outside?.focus();
}

/** The keys of a widget, while the focus is inside it. `action(key, shift)` names what a key does,
 * `act(name)` does it, `leave()` leaves what is open (false: nothing was). Up and down move in a
 * group of buttons, elsewhere `upDown(steps, target)` is called. */
export function listenKeys(root, groups, { action, act, leave, upDown }) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const { target, key } = event;
    const kind = target.tagName === "INPUT" ? target.type : target.tagName;
    if (["text", "number", "TEXTAREA", "SELECT"].includes(kind) && key !== "Escape") return;
    if (kind === "radio" && (key.startsWith("Arrow") || key === " ")) return;
    if (kind === "BUTTON" && (key === " " || key === "Enter")) return;
    const vertical = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
    if (vertical) {
      event.preventDefault();
      if (!groups.go(target, vertical)) upDown(vertical, target);
      return;
    }
    const name = action(key, event.shiftKey);
    if (!name) return;
    event.preventDefault();
    if (name !== "leave") act(name);
    else if (!leave()) toNotebook(root);
    else if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
  });
}

/** Copy a text from a button, also where a page may not use the clipboard. */
export async function copy(pressed, text) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { class: "w-live", ...suppress });
    area.value = text;
    pressed.after(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    pressed.focus();
  }
  write(pressed, done ? "copied" : "select and copy");
  setTimeout(() => write(pressed, "copy"), 1500);
}

// -- the life of a view ---------------------------------------------------------------------------

/** What Python sent with the model. */
export function contentOf(model) {
  const raw = model.get("_payload");
  return JSON.parse(typeof raw === "string" ? raw : new TextDecoder().decode(raw));
}
const PATIENCE = 5000; // milliseconds until the kernel counts as busy or gone
/** Ask Python: every question has an id, and its answer comes back with it, or after a while none. */
export function kernelOf(model, fold = () => 0) {
  let question = 0;
  const waiting = new Map();
  model.on("msg:custom", (message, buffers) => waiting.get(message?.id)?.({ ...message, buffers }));
  return async (what, values) => {
    if (!model.send) return { error: "This page has no kernel. Run the notebook." };
    const id = (question += 1);
    const gone = { error: "The kernel does not answer: it is busy, or gone." };
    const answer = new Promise((resolve) => {
      waiting.set(id, resolve);
      setTimeout(() => resolve(gone), PATIENCE);
    });
    try {
      model.send({ ask: what, id, fold: fold(), ...values });
    } catch {
      waiting.get(id)(gone);
    }
    const reply = await answer;
    waiting.delete(id);
    return reply;
  };
}
/** Any number of views listen to one model. */
export function speaker() {
  const listeners = new Set();
  return {
    emit: () => listeners.forEach((listener) => listener()),
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
/** Draw now, and after each change, once a frame; gives what ends it. */
export function keepDrawn(listen, update, sized = null) {
  let frame = 0;
  const schedule = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      update();
    });
  };
  const silent = listen(schedule);
  const resized = sized && new ResizeObserver(schedule);
  resized?.observe(sized);
  update();
  return () => {
    silent();
    resized?.disconnect();
    cancelAnimationFrame(frame);
  };
}
/** What anywidget calls: one clock a model, made before its first view. */
export const widgetOf = (makeClock, view) => () => {
  let clock = null;
  return {
    initialize({ model }) {
      clock = makeClock(model);
      return () => clock.stop?.();
    },
    render: ({ el }) => view(clock, el),
  };
};
