// The life of a view: drawn now, and after each change.

/**
 * Draw now, and after each change, once a frame; gives what ends it.
 * @param {(listener: () => void) => () => void} listen
 * @param {() => void} update
 * @param {Element | null} sized drawn again when its size changes
 */
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

/**
 * What anywidget calls: one clock a model, made before its first view.
 * @template {object} T
 * @param {(model: import("./kernel.js").Model) => T} makeClock
 * @param {(clock: T, el: HTMLElement) => () => void} view
 */
export const widgetOf = (makeClock, view) => () => {
  let clock = null;
  return {
    initialize({ model }) {
      clock = makeClock(model);
      return () => /** @type {any} */ (clock).stop?.();
    },
    render: ({ el }) => view(clock, el),
  };
};
