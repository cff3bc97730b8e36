// What a failure means to a person.

const WORDS = {
  offline: "The server does not answer. Try again in a moment.",
  unauthenticated: "Name or password is wrong.",
  name_taken: "This name is taken.",
  not_found: "There is no such thing, or it is not visible to you.",
  not_a_member: "You are not a member here.",
  forbidden: "You are not allowed to do this.",
  blocked: "One of you blocks the other.",
  too_late: "It is too late for that.",
  too_large: "That is too long.",
  limit_reached: "There is no room for more.",
  conflict: "Somebody else was faster. Look again.",
  precondition_failed: "Somebody changed it meanwhile. Look again.",
  overloaded: "The server is busy. Try again in a moment.",
  draining: "The server is about to restart. Try again in a moment.",
  log_unavailable: "The server cannot store anything right now. Try again in a moment.",
  store_unavailable: "The server cannot read right now. Try again in a moment.",
  outcome_unknown: "The server did not confirm it.",
  storage_full: "The server has no space left.",
  unknown_type: "This server does not offer that.",
  method_not_allowed: "This server does not offer that.",
};

/** One sentence, with what the server says about this very case. */
export function explain({ code, message, retryAfterMs, errors = [] }) {
  const fields = errors.map(({ field, detail }) => (field ? `${readable(field)}: ${detail}` : detail)).join(" · ");
  if (fields) return fields;
  if (code === "slow_mode") return `Slow mode: ${message ?? `next message in ${seconds(retryAfterMs)}`}.`;
  if (code === "rate_limited") return `That was a lot at once. Try again in ${seconds(retryAfterMs)}.`;
  const words = WORDS[code];
  if (!words) return message;
  const plain = !message || message === code || message.toLowerCase() === readable(code);
  return plain || code === "offline" || code === "unauthenticated" ? words : `${words} (${message})`;
}

/** The same for what was not sent: here the code comes from a frame. */
export const explainCode = (code, detail) => explain({ code, message: detail ?? readable(code ?? "unknown") });

const readable = (name) => name.replaceAll("_", " ");

function seconds(ms) {
  const count = Math.max(1, Math.ceil((ms ?? 2_000) / 1_000));
  return count === 1 ? "a second" : `${count} seconds`;
}
