// What a view hears of Python, and what it asks.

const PATIENCE = 5000; // milliseconds until the kernel counts as busy or gone

/**
 * The model of a widget, as anywidget gives it.
 * @typedef {{get: (name: string) => any, set: (name: string, value: any) => void,
 *   save_changes: () => void, on: (event: string, callback: (...args: any[]) => void) => void,
 *   send: ((content: object) => void) | null}} Model
 * @typedef {{result?: any, error?: string, buffers?: any[]}} Reply
 * @typedef {(what: string, values: object) => Promise<Reply>} Ask
 */

/**
 * What Python sent with the model.
 * @param {Model} model
 * @returns {any}
 */
export function contentOf(model) {
  const raw = model.get("_payload");
  return JSON.parse(typeof raw === "string" ? raw : new TextDecoder().decode(raw));
}

/**
 * Set a trait, and tell Python.
 * @param {Model} model
 * @param {string} name
 * @param {any} value
 */
export function saveTo(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

/**
 * Bytes that came as base64 with the page, or as a buffer with the model.
 * @param {string | undefined} packed
 * @param {any} buffer
 * @returns {Uint8Array}
 */
export function bytesOf(packed, buffer) {
  const bytes = packed ? Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)) : buffer;
  return bytes.buffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

/**
 * Ask Python: every question has an id, and its answer comes back with it, or after a while none.
 * @param {Model} model
 * @returns {Ask}
 */
export function kernelOf(model, fold = () => 0) {
  let question = 0;
  const waiting = new Map();
  model.on("msg:custom", (message, buffers) => waiting.get(message?.id)?.({ ...message, buffers }));
  return async (what, values) => {
    if (!model.send) return { error: "This page has no kernel. Run the notebook." };
    question += 1;
    const id = question;
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

/**
 * Send the newest request only, one at a time: older ones that waited are dropped.
 * @template T
 * @param {(request: T) => Promise<void>} send
 * @returns {(request: T) => void}
 */
export function newestOnly(send) {
  let busy = false;
  /** @type {{request: T} | null} */
  let waiting = null;
  async function run(request) {
    busy = true;
    try {
      await send(request);
    } finally {
      busy = false;
      if (waiting) {
        const { request: newest } = waiting;
        waiting = null;
        run(newest);
      }
    }
  }
  return (request) => {
    if (busy) waiting = { request };
    else run(request);
  };
}

/** Any number of views listen to one model. */
export function speaker() {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  return {
    emit: () => listeners.forEach((listener) => listener()),
    /** @param {() => void} listener */
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
