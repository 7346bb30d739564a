// The widgets of a page, alive without a kernel: the same code as in JupyterLab, with a model that
// holds the exported values and answers no question.
"use strict";
(() => {
  const made = {};

  function modelOf({ data, state }) {
    const values = { ...state, _payload: JSON.stringify(data) };
    const listeners = [];
    return {
      get: (name) => values[name],
      set: (name, value) => {
        values[name] = value;
        for (const [event, callback] of listeners) if (event === `change:${name}`) callback();
      },
      save_changes: () => {},
      send: null,
      on: (event, callback) => listeners.push([event, callback]),
      off: () => {},
    };
  }

  async function show(place) {
    const exported = JSON.parse(place.querySelector("script").textContent);
    const { view } = exported;
    made[view] ??= window.esnbViews[view]();
    const widget = made[view]();
    const model = modelOf(exported);
    await widget.initialize({ model });
    const el = document.createElement("div");
    place.replaceChildren(el);
    widget.render({ model, el });
  }

  /** What scrolls sideways can be reached by keyboard, and has a name. */
  function reachable() {
    for (const box of document.querySelectorAll("pre, .output.text_html, .table-wrapper")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls && !box.closest(".esnb-live")) box.setAttribute("tabindex", "0");
      else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
    }
  }

  document.addEventListener("DOMContentLoaded", async () => {
    for (const head of document.querySelectorAll(".caption[role=heading]")) head.ariaLevel = "2";
    await Promise.all([...document.querySelectorAll(".esnb-live")].map(show));
    reachable();
    window.addEventListener("resize", reachable);
    document.documentElement.dataset.esnb = "ready";
  });
})();
