// Elements of a page. Texts become text, never HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Keeps JupyterLab's shortcuts away; it looks at the focused element only, so each one has it. */
export const suppress = { "data-lm-suppress-shortcuts": "true" };

/**
 * @typedef {Node | string | null | undefined} Child
 * @typedef {{name: string, code: string, hue: string, ink: string, points: string | null, y: number}} EventType
 */

/**
 * Give an element attributes, listeners ("onclick") and children.
 * @template {Element} T
 * @param {T} element
 * @param {Record<string, any>} attributes
 * @param {(Child | Child[])[]} children
 * @returns {T}
 */
export function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    .../** @type {(Node | string)[]} */ (
      children.flat().filter((c) => c !== null && c !== undefined)
    ),
  );
  return element;
}

/**
 * An element with its attributes and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, any>} attributes
 * @param {(Child | Child[])[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export const make = (name, attributes = {}, ...children) =>
  dress(document.createElement(name), attributes, children);

/**
 * The same for a drawing.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, any>} attributes
 * @param {(Child | Child[])[]} children
 * @returns {SVGElementTagNameMap[K]}
 */
export const draw = (name, attributes = {}, ...children) =>
  dress(document.createElementNS(SVG, name), attributes, children);

/**
 * Set the text of an element, where it differs.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Set an attribute, where it differs; null removes it.
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null} value
 */
export function set(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/**
 * Say whether a button is pressed.
 * @param {Element} pressed
 * @param {boolean} on
 */
export const press = (pressed, on) => set(pressed, "aria-pressed", on);

/** @type {Record<string, string>} */
const ICONS = {
  start: "M5 5v14M19 5l-10 7 10 7z",
  back: "M15 5l-8 7 8 7",
  play: "M7 4l13 8-13 8z",
  pause: "M7 5v14M17 5v14",
  next: "M9 5l8 7-8 7",
  end: "M19 5v14M5 5l10 7-10 7z",
};

/**
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} extra
 */
export const button = (label, onclick, extra = {}) =>
  make("button", { type: "button", ...suppress, onclick, ...extra }, label);

/**
 * A button that stays pressed.
 * @param {string} label
 * @param {() => void} onclick
 * @param {Record<string, any>} extra
 */
export const toggleButton = (label, onclick, extra = {}) =>
  button(label, onclick, { "aria-pressed": "false", ...extra });

/**
 * A button with one or more icons; its label is its name.
 * @param {string} label
 * @param {() => void} onclick
 * @param {string[]} icons
 * @param {Record<string, any>} extra
 */
export function iconButton(label, onclick, icons, extra = {}) {
  const made = button("", onclick, { "aria-label": label, title: label, ...extra });
  made.append(
    ...icons.map((name) =>
      draw(
        "svg",
        { viewBox: "0 0 24 24", "aria-hidden": "true", class: `w-icon w-icon-${name}` },
        draw("path", { d: ICONS[name] }),
      ),
    ),
  );
  return made;
}

/**
 * Controls in a row: one stop of the tab key.
 * @param {string} label
 * @param {(Child | Child[])[]} children
 */
export const bar = (label, ...children) =>
  make("div", { class: "w-bar", role: "toolbar", "aria-label": label }, ...children);

/**
 * What the keys do.
 * @param {string[][]} keys
 */
export const keyList = (keys) =>
  make(
    "dl",
    { class: "w-keys" },
    ...keys.flatMap(([key, text]) => [make("dt", {}, key), make("dd", {}, text)]),
  );

/**
 * One answer of a question: a radio button with its text.
 * @param {string} name
 * @param {string} text
 * @param {() => void} onchange
 */
export function choice(name, text, onchange, checked = false) {
  const input = make("input", { type: "radio", name, value: text, ...suppress, onchange });
  input.checked = checked;
  return make("label", { class: "w-choice" }, input, make("span", {}, text));
}

/** The heads of a table.
 * @param {string[]} texts
 */
export const heads = (texts) =>
  make(
    "thead",
    {},
    make(
      "tr",
      {},
      texts.map((text) => make("th", { scope: "col" }, text)),
    ),
  );

/**
 * An event type as the course draws it everywhere: shape, hue and two letters.
 * @param {EventType} type
 */
export function symbol(type, size = "26px") {
  const shape = type.points
    ? draw("polygon", { points: type.points })
    : draw("circle", { cx: 12, cy: 12, r: 10.5 });
  dress(shape, { fill: type.hue, class: "w-shape" }, []);
  return draw(
    "svg",
    {
      viewBox: "0 0 24 24",
      width: size,
      height: size,
      class: "w-symbol",
      role: "img",
      "aria-label": type.name,
    },
    draw("title", {}, type.name),
    shape,
    draw("text", { x: 12, y: type.y, fill: type.ink, class: "w-letters" }, type.code),
  );
}

/**
 * The same where its name is beside it: a reader of the page hears the name once.
 * @param {EventType} type
 * @param {string} size
 */
export function bareSymbol(type, size) {
  const drawn = symbol(type, size);
  set(drawn, "role", null);
  set(drawn, "aria-label", null);
  set(drawn, "aria-hidden", "true");
  drawn.querySelector("title")?.remove();
  return drawn;
}

/** The cross of a conflict or a refusal, outlined so that it is seen on every ground. */
export const cross = () =>
  draw(
    "svg",
    { viewBox: "0 0 24 24", class: "w-cross", "aria-hidden": "true" },
    draw("path", { class: "w-edge", d: "M4 4L20 20M20 4L4 20" }),
    draw("path", { d: "M4 4L20 20M20 4L4 20" }),
  );

/**
 * Copy a text from a button, also where a page may not use the clipboard.
 * @param {HTMLElement} pressed
 * @param {string} text
 */
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
