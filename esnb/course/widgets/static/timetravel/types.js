// The types of what TimeTravel shares between its parts; nothing here runs.

/**
 * What Python sends of one fold.
 * @typedef {import("../shared/tape.js").TapeData & {kind: string, given: boolean, loads: boolean, snapshots: number[],
 *   unused: [number, string][], span: number, order?: any, what_if?: Record<string, any>}} Face
 *
 * What Python sends of a stream, with its first fold. Of a long one the browser holds headers, and
 * the cards of the windows that came.
 * @typedef {Face & {id: string, n: number, long?: boolean, others?: Face[], stops: [number, string][],
 *   refused?: [number, string, string][], lanes: string[], lane: ArrayLike<number>,
 *   types: import("../shared/elements.js").EventType[], type: ArrayLike<number>,
 *   time: ArrayLike<number>, command: ArrayLike<number>, data: string[], metadata: string[],
 *   version: number[], headers?: string, windows?: any[][]}} Payload
 *
 * A tape, or a film of windows of one.
 * @typedef {{paths: string[], step: (i: number) => import("../shared/tape.js").Change[],
 *   rows: (a: number, b: number) => import("../shared/tape.js").Row[] | null,
 *   changed: (path: string) => number[], series: (path: string) => [number, number][],
 *   value: (path: string, i: number) => string | null, look: (i: number) => boolean,
 *   has: (i: number) => boolean, range: () => [number, number], add?: (window: any) => any[]}} Film
 *
 * @typedef {{number: number, past?: boolean, questions: import("../shared/questions.js").Question[],
 *   given: string[], committed: boolean, why: string, rows?: any[]}} Quiz
 * @typedef {{open: boolean, types: Set<number>, text: string, numbers: Iterable<number> & {length: number} | null}} Filter
 *
 * What is shown, for all views of one model.
 * @typedef {{at: number, pins: (number | null)[], compare: boolean, panel: string | null,
 *   playing: boolean, stepBy: "event" | "command", byTime: boolean, speed: number,
 *   changedOnly: boolean, snapshots: boolean, field: string | null, open: Map<string, boolean>,
 *   asking: boolean, filter: Filter, stale: boolean, late: string,
 *   compared: {key: string, rows: import("../shared/tape.js").Row[] | null} | null, muted: number[],
 *   policy: string, experiment: any, quiz: Quiz | null, probes: any,
 *   order: {numbers: number[], verdict: any, focus?: number | null, by?: number} | null, turn: number,
 *   projector: boolean, guide: string, answers: any[], spoken: string, problem: string,
 *   fold: number}} Shown
 *
 * What the parts of the clock share: the model, what came with it, and what is shown.
 * @typedef {{model: import("../shared/kernel.js").Model, payload: Payload, n: number, long: boolean,
 *   faces: Face[], films: Film[], film: Film, face: () => Face, stops: Map<number, string>,
 *   stopNumbers: number[], s: Shown, ask: import("../shared/kernel.js").Ask, emit: () => void,
 *   listen: (listener: () => void) => () => void, trips: number[],
 *   save: (name: string, value: any) => void, typeName: (i: number) => string,
 *   refusedAt: (i: number) => [number, string, string][]}} Core
 *
 * The clock: the core, and what can be done.
 * @typedef {Core & ReturnType<import("./filter.js").filterOf> & ReturnType<import("./windows.js").windowsOf>
 *   & ReturnType<import("./moves.js").movesOf> & ReturnType<import("./what_if.js").whatIfOf>
 *   & ReturnType<import("./quiz.js").quizOf> & ReturnType<import("./ordering.js").orderingOf>
 *   & ReturnType<import("./choices.js").choicesOf>
 *   & {act: (name: string) => void, stop: () => void}} Clock
 */

export {};
