// The keys of a widget, while the focus is inside it.

/**
 * One tab stop a group of buttons; up and down move between them.
 * @param {HTMLElement[]} groups
 */
export function rover(groups) {
  const inside = (group) =>
    [...group.querySelectorAll("button")].filter((b) => b.offsetParent && !b.disabled);
  function rove(group, wanted = null) {
    const all = inside(group);
    const current = wanted ?? all.find((b) => b.tabIndex === 0) ?? all[0];
    for (const b of group.querySelectorAll("button")) b.tabIndex = b === current ? 0 : -1;
  }
  for (const group of groups)
    group.addEventListener("focusin", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
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

/**
 * Give the focus back to the cell, so that the notebook's own keys work again.
 * @param {HTMLElement} root
 */
export function toNotebook(root) {
  /** @type {HTMLElement | null | undefined} */
  const outside =
    root.closest(".jp-Cell")?.closest(".jp-Notebook") ?? root.parentElement?.closest("[tabindex]");
  /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
  outside?.focus();
}

/**
 * `action(key, shift)` names what a key does, `act(name)` does it, `leave()` leaves what is open
 * (false: nothing was). Up and down move in a group of buttons, elsewhere `upDown(steps, target)` is
 * called.
 * @param {HTMLElement} root
 * @param {{go: (from: HTMLElement, steps: number) => boolean}} groups
 * @param {{action: (key: string, shift: boolean) => string | null | undefined, act: (name: string) => void,
 *   leave: () => boolean, upDown: (steps: number, target: HTMLElement) => void}} does
 */
export function listenKeys(root, groups, { action, act, leave, upDown }) {
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const { key } = event;
    const target = /** @type {HTMLInputElement} */ (event.target);
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
