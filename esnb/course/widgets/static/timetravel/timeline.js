// The timeline: lanes of marks, refusals, flags, snapshots, the axis with its pins, the playhead.
import { bareSymbol, draw, make, set, suppress } from "../shared/elements.js";
import { axis, markSize } from "../shared/places.js";
import { moment, span } from "../shared/words.js";
import { countsOf, marksOf, tooMany } from "./marks.js";

/**
 * @typedef {import("./types.js").Clock} Clock
 * @typedef {import("../shared/places.js").Axis} Axis
 */

const percent = (share) => `${(share * 100).toFixed(4)}%`;

/** @param {Clock} clock */
function laneNames({ payload }) {
  const names = payload.lanes.map((name, lane) => {
    const first = Array.prototype.indexOf.call(payload.lane, lane);
    const type = payload.types[payload.type[first]];
    return make(
      "div",
      { class: "tt-lane-name", title: name },
      type.name === name ? bareSymbol(type, "1.15em") : "",
      make("span", {}, name),
    );
  });
  if (payload.refused?.length)
    names.push(make("div", { class: "tt-lane-name tt-lane-refused" }, make("span", {}, "refused")));
  return make("div", { class: "tt-lanes", "aria-hidden": "true" }, names);
}

/**
 * Refused commands are not events: they are drawn between two, in a lane of their own, hollow and grey.
 * @param {Clock} clock
 */
function refusalsOf({ payload, s }) {
  const refusals = (payload.refused ?? []).map(([after, command, reason]) => ({
    after,
    one: make(
      "div",
      {
        class: "tt-refusal",
        "data-at": after,
        title: `refused after event ${after}: ${command}: ${reason}`,
      },
      draw(
        "svg",
        { viewBox: "0 0 24 24" },
        draw("circle", { cx: 12, cy: 12, r: 9 }),
        draw("path", { d: "M8.5 8.5l7 7M15.5 8.5l-7 7" }),
      ),
    ),
  }));
  const element = make(
    "div",
    { class: `tt-refusals${refusals.length ? " tt-some" : ""}`, "aria-hidden": "true" },
    refusals.map(({ one }) => one),
  );
  return {
    element,
    /** Several refusals at one place stand side by side. */
    place(where) {
      refusals.forEach(({ after, one }, k) => {
        one.style.left = percent(where.at(after));
        one.style.marginLeft = `${20 * refusals.slice(0, k).filter((other) => other.after === after).length}px`;
      });
    },
    update: () =>
      refusals.forEach(({ after, one }) => one.classList.toggle("tt-now", after === s.at)),
  };
}

/** @param {Clock} clock */
function flagsOf({ payload }) {
  const flags = payload.stops.map(([number, text]) =>
    make("div", { class: "tt-flag", title: `${number}: ${text}`, "data-at": number }, "⚑"),
  );
  return {
    element: make("div", { class: "tt-flags" }, flags),
    /** @param {Axis} where */
    place: (where) =>
      flags.forEach((flag) => {
        flag.style.left = percent(where.at(Number(flag.dataset.at)));
      }),
  };
}

/** @param {Clock} clock */
function snapshotsOf(clock) {
  const element = make("div", { class: "tt-snaps", "aria-hidden": "true" });
  return {
    element,
    /**
     * @param {Axis} where
     * @param {number} width
     */
    place(where, width) {
      let pixel = -1;
      const apart = clock.face().snapshots.filter((number) => {
        const at = Math.round(where.at(number) * width);
        const free = at > pixel;
        if (free) pixel = at;
        return free;
      });
      element.replaceChildren(
        ...apart.map((number) =>
          make("div", {
            class: "tt-snap",
            title: `snapshot at ${number}`,
            style: `left:${percent(where.at(number))}`,
          }),
        ),
      );
    },
    update: () => element.classList.toggle("tt-off", !clock.s.snapshots),
  };
}

/**
 * @param {number} count
 * @param {number} width
 */
function tickStep(count, width) {
  const most = Math.max(2, width / 44);
  for (let size = 1; ; size *= 10)
    for (const k of [1, 2, 5]) if (count / (k * size) <= most) return k * size;
}

/**
 * The numbers on the axis, and the folds of time that is left out.
 * @param {number} n
 * @param {Axis} where
 * @param {number} width
 */
function ticksOf(n, where, width) {
  const ticks = [];
  const gap = tickStep(n, width);
  let last = -1;
  for (let k = gap; k <= n; k += gap) {
    const x = where.event(k);
    if ((x - last) * width < 26) continue;
    last = x;
    ticks.push(make("span", { class: "tt-tick", style: `left:${percent(x)}` }, String(k)));
  }
  for (const fold of where.folds.slice(0, 200))
    ticks.push(
      make(
        "span",
        {
          class: "tt-fold",
          title: `${span(fold.gap)} folded`,
          style: `left:${percent(fold.share)}`,
        },
        "//",
      ),
    );
  return ticks;
}

/**
 * A number on the axis is not shown where a pin stands.
 * @param {HTMLElement} ticks
 * @param {HTMLElement[]} pins
 */
function giveWay(ticks, pins) {
  const places = pins.filter((pin) => !pin.hidden).map((pin) => pin.getBoundingClientRect());
  for (const tick of /** @type {NodeListOf<HTMLElement>} */ (ticks.querySelectorAll(".tt-tick"))) {
    const { left, right } = places.length ? tick.getBoundingClientRect() : { left: 0, right: 0 };
    const covered = places.some((place) => left < place.right && right > place.left);
    tick.style.visibility = covered ? "hidden" : "";
  }
}

/** @param {Clock} clock */
function axisOf(clock) {
  const { payload, n, s } = clock;
  const ticks = make("div", { class: "tt-axis", "aria-hidden": "true" });
  const range = make("input", {
    type: "range",
    min: 0,
    max: n,
    step: 1,
    ...suppress,
    class: "tt-range",
    "aria-label": "position",
  });
  range.addEventListener("input", () => clock.move(Number(range.value)));
  const handle = make("div", { class: "tt-handle" });
  const pins = ["A", "B"].map((name) => make("div", { class: "tt-pin" }, name));
  const element = make("div", { class: "tt-axis-row" }, ticks, pins, range, handle);
  /** @param {Axis} where */
  function update(where) {
    handle.style.left = percent(where.at(s.at));
    pins.forEach((pin, k) => {
      const at = s.pins[k];
      pin.hidden = at === null;
      if (at !== null) pin.style.left = percent(where.at(at));
    });
    pins[1].classList.toggle("tt-beside", s.pins[0] === s.pins[1]);
    giveWay(ticks, pins);
    if (range.value !== String(s.at)) range.value = String(s.at);
    set(
      range,
      "aria-valuetext",
      s.at === 0
        ? `0 of ${n}, before anything happened`
        : `event ${s.at} of ${n}, ${clock.typeName(s.at)}, ${moment(payload.time[s.at - 1]).slice(11)}`,
    );
  }
  return {
    element,
    range,
    update,
    place: (where, width) => ticks.replaceChildren(...ticksOf(n, where, width)),
  };
}

/**
 * Press and drag: a click on a mark goes to the state after it, elsewhere to the nearest place
 * between two.
 * @param {Clock} clock
 * @param {HTMLElement} track
 * @param {{marks: HTMLElement[], list: HTMLElement, range: HTMLElement, nearest: (share: number) => number}} of
 */
function listenDrag(clock, track, { marks, list, range, nearest }) {
  let dragging = false;
  const under = (event) => {
    const area = track.getBoundingClientRect();
    return nearest((event.clientX - area.left) / area.width);
  };
  track.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    clock.play(false);
    dragging = true;
    track.setPointerCapture(event.pointerId);
    const target = /** @type {HTMLElement} */ (event.target);
    const pressed = /** @type {HTMLElement | null} */ (target.closest(".tt-mark"));
    const flag = /** @type {HTMLElement | null} */ (target.closest(".tt-flag, .tt-refusal"));
    if (pressed) clock.move(marks.indexOf(pressed) + 1);
    else clock.move(flag ? Number(flag.dataset.at) : under(event));
    (target === list || pressed ? list : range).focus({ preventScroll: true });
    event.preventDefault();
  });
  track.addEventListener("pointermove", (event) => {
    if (dragging) clock.move(under(event));
  });
  for (const name of ["pointerup", "pointercancel"])
    track.addEventListener(name, () => {
      dragging = false;
    });
}

/**
 * @param {Clock} clock
 * @param {string} id
 */
export function timelineOf(clock, id) {
  const { payload, n, s } = clock;
  const marks = tooMany(clock) ? countsOf(clock, id) : marksOf(clock, id);
  const refusals = refusalsOf(clock);
  const snapshots = snapshotsOf(clock);
  const flags = flagsOf(clock);
  const line = axisOf(clock);
  const veil = make("div", { class: "tt-veil" });
  const playhead = make("div", { class: "tt-playhead" });
  const track = make(
    "div",
    { class: "tt-track" },
    marks.element,
    refusals.element,
    snapshots.element,
    flags.element,
    line.element,
    veil,
    playhead,
  );
  const element = make("div", { class: "tt-timeline" }, laneNames(clock), track);
  let where = axis(n);
  let placed = "";
  listenDrag(clock, track, {
    marks: marks.marks,
    list: marks.element,
    range: line.range,
    nearest: (share) => where.nearest(share),
  });
  /**
   * Put everything that depends on the width or the axis in its place.
   * @param {HTMLElement} root
   */
  function place(root) {
    const width = track.clientWidth || 600;
    const key = `${width}:${s.byTime}:${s.fold}`;
    if (key === placed) return;
    placed = key;
    where = axis(n, s.byTime ? payload.time : null);
    const size = markSize(tooMany(clock) ? [] : payload.lane, where.event, width);
    root.style.setProperty("--tt-mark", `${size}px`);
    root.classList.toggle("tt-small", size < 16);
    for (const part of [marks, refusals, flags, snapshots, line]) part.place(where, width);
  }
  return {
    element,
    track,
    range: line.range,
    /** @param {HTMLElement} root */
    update(root) {
      place(root);
      playhead.style.left = veil.style.left = percent(where.at(s.at));
      line.update(where);
      for (const part of [marks, refusals, snapshots]) part.update();
    },
    forget: marks.forget,
  };
}
