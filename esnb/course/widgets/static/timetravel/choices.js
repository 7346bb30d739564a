// What is chosen to be shown: pins, a field, a fold, a panel, the size for a hall.
import { next } from "../shared/places.js";
import { clamp } from "../shared/words.js";

/** No filter. */
const nothing = () => ({ open: false, types: new Set(), text: "", numbers: null });

/**
 * Two places to compare.
 * @param {import("./types.js").Core} core
 * @param {(values: Partial<import("./types.js").Shown>) => void} change
 */
function pinsOf({ s, save, emit }, change) {
  /** @param {0 | 1} which */
  function pin(which) {
    s.pins[which] = s.at;
    save("pins", [...s.pins]);
    change({ asking: false });
  }
  function clearPins() {
    save("pins", [null, null]);
    change({ pins: [null, null], compare: false, asking: false });
  }
  function compare() {
    if (s.pins.includes(null)) s.problem = "Pin A and B first: keys a and b.";
    else s.compare = !s.compare;
    emit();
  }
  return { pin, clearPins, compare };
}

/**
 * @param {import("./types.js").Core} core
 * @param {{move: (i: number) => void, reach: () => void, experiment: () => void, unmute: () => void,
 *   lit: () => ArrayLike<number>, passed: () => Uint8Array | null}} does
 */
export function choicesOf(core, does) {
  const { s, save, emit, faces } = core;
  /** @param {Partial<import("./types.js").Shown>} values */
  function change(values) {
    Object.assign(s, values);
    emit();
  }
  /** @param {number} index */
  function setFold(index) {
    s.fold = clamp(index, 0, faces.length - 1);
    s.field = s.quiz = s.probes = null;
    does.reach();
    if (s.panel === "order") s.panel = null;
    does.experiment();
  }
  function nextFold() {
    setFold((s.fold + 1) % faces.length);
    save("_fold", s.fold);
  }
  /** @param {boolean} on */
  function setProjector(on) {
    save("projector", on);
    change({ projector: on, changedOnly: on });
  }
  /** @param {string} panel */
  function toggle(panel) {
    s.panel = s.panel === panel ? null : panel;
    if (s.panel) s.quiz = null;
    emit();
  }
  /** Leave what is open, the newest first; false when nothing was. */
  function leave() {
    if (s.quiz) s.quiz = null;
    else if (s.panel === "what-if") does.unmute();
    else if (s.panel) s.panel = null;
    else if (s.compare) s.compare = false;
    else if (s.filter.open || does.passed()) s.filter = nothing();
    else return false;
    emit();
    return true;
  }
  return {
    change,
    ...pinsOf(core, change),
    setFold,
    nextFold,
    setProjector,
    toggle,
    leave,
    showAll: () => change({ filter: { ...nothing(), open: s.filter.open } }),
    hop: hopOf(core, does),
  };
}

/**
 * @param {import("./types.js").Core} core
 * @param {{move: (i: number) => void, lit: () => ArrayLike<number>, passed: () => Uint8Array | null}} does
 */
function hopOf({ n, s, long, ask, emit }, { move, lit, passed }) {
  /**
   * To the next event that changed the field, or passes the filter.
   * @param {number} direction
   */
  return async function hop(direction) {
    const to = next(lit(), s.at, direction);
    if (to !== null) return move(to);
    if (!long || !s.field || passed()) return null;
    // The field changed in no other event of this window: Python looks further.
    const reply = await ask("hop", { field: s.field, at: s.at, direction });
    if (reply.error) s.problem = reply.error;
    else if (reply.result[0] !== null) return move(reply.result[0]);
    else if (reply.result[1] > 0 && reply.result[1] < n) {
      s.problem = `${s.field} did not change up to event ${reply.result[1]}. Press again to look on from there.`;
      return move(reply.result[1]);
    } else s.problem = `${s.field} changes nowhere ${direction > 0 ? "after" : "before"} this.`;
    return emit();
  };
}

/**
 * Follow what Python sets.
 * @param {import("./types.js").Core} core
 * @param {{setFold: (index: number) => void}} does
 */
export function followChoices({ model, s, emit }, { setFold }) {
  model.on("change:pins", () => {
    s.pins = [...model.get("pins")];
    emit();
  });
  model.on("change:_fold", () => {
    if (model.get("_fold") !== s.fold) setFold(model.get("_fold"));
  });
  model.on("change:guide", () => {
    s.guide = model.get("guide");
    emit();
  });
  model.on("change:projector", () => {
    s.projector = s.changedOnly = model.get("projector");
    emit();
  });
}
