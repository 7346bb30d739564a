// What if an event had not happened: the experiment is Python's, or came with the page.
import { newestOnly } from "../shared/kernel.js";

/** @param {import("./types.js").Core} core */
export function whatIfOf({ model, s, face, ask, save, emit }) {
  const key = () => `${s.fold}:${s.policy}:${s.muted.join()}`;
  const request = newestOnly(async (asked) => {
    const reply = await ask("what-if", { muted: asked.muted, policy: asked.policy });
    if (asked.key !== key()) return;
    s.experiment = reply.result ?? { problem: reply.error };
    emit();
  });
  function experiment() {
    s.experiment = null;
    if (!s.muted.length) return emit();
    const ready = s.muted.length === 1 ? face().what_if?.[s.muted[0]]?.[s.policy] : null;
    if (ready) s.experiment = ready;
    else if (model.send) request({ muted: [...s.muted], policy: s.policy, key: key() });
    else
      s.experiment = {
        problem: face().what_if
          ? "This page holds experiments with one muted event. For more, run the notebook."
          : "This page holds no experiments with a stream of this length. Run the notebook.",
      };
    return emit();
  }
  /** @param {number} number */
  function mute(number) {
    if (number < 1) return;
    s.muted = s.muted.includes(number)
      ? s.muted.filter((k) => k !== number)
      : [...s.muted, number].sort((a, b) => a - b);
    s.panel = s.muted.length ? "what-if" : s.panel === "what-if" ? null : s.panel;
    save("_muted", [...s.muted]);
    experiment();
  }
  function unmute() {
    s.muted = [];
    s.experiment = null;
    if (s.panel === "what-if") s.panel = null;
    save("_muted", []);
    emit();
  }
  /** @param {string} policy */
  function setPolicy(policy) {
    s.policy = policy;
    save("_policy", policy);
    experiment();
  }
  model.on("change:_muted", () => {
    const muted = model.get("_muted");
    if (String(muted) === String(s.muted)) return;
    s.muted = [...muted];
    s.policy = model.get("_policy");
    s.panel = s.muted.length ? "what-if" : null;
    experiment();
  });
  return { experiment, mute, unmute, setPolicy };
}
