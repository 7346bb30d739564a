// Moves of a race in letters, and keys. Pure, tested with node.

/**
 * A schedule in its moves: "ABB-" is A, B, B-.
 * @param {string} schedule
 */
export const movesOf = (schedule) => schedule.match(/[A-Z][-+!=]?/g) ?? [];

/**
 * What a key means; null where it means nothing.
 * @param {string} key
 */
export function raceAction(key, projector = false) {
  if (key === "PageUp") return projector ? "back" : "start";
  if (key === "PageDown") return projector ? "next" : "end";
  return (
    {
      ArrowLeft: "back",
      ArrowRight: "next",
      Home: "start",
      End: "end",
      a: "A",
      b: "B",
      g: "guard",
      p: "predict",
      s: "schedules",
      "?": "keys",
      Escape: "leave",
    }[key.length === 1 ? key.toLowerCase() : key] ?? null
  );
}
