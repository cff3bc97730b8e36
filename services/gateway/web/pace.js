// Slow mode: when this user may send again, as far as this client knows; the server has the last word.

import { may } from "./rights.js";

/** The pauses that are offered, in seconds. */
export const PAUSES = [0, 5, 10, 30, 60, 300, 900, 3_600, 21_600];

/** The pause between two messages of this user, in seconds; 0 for who need not wait. */
export const pauseOf = (info) => (may("skip_slow_mode", info) ? 0 : (info.slow_mode_s ?? 0));

/** Milliseconds until the next message may go; `waiting` are those that are not acknowledged. */
export function waitMs({ info, timeline }, me, now, waiting = []) {
  const pause = pauseOf(info) * 1_000;
  if (pause === 0) return 0;
  const own = timeline.rows.findLast(({ by, notice }) => by === me && !notice);
  const times = [own, ...waiting.filter(({ state }) => state !== "failed")].filter(Boolean).map(({ at }) => Date.parse(at));
  return Math.max(0, Math.max(...times, -Infinity) + pause - now);
}

/** "30 seconds", "5 minutes", "6 hours". */
export function pauseWords(seconds) {
  const [count, unit] =
    seconds < 120 && seconds % 60 !== 0
      ? [seconds, "second"]
      : seconds < 7_200 && seconds % 3_600 !== 0
        ? [Math.ceil(seconds / 60), "minute"]
        : [Math.ceil(seconds / 3_600), "hour"];
  return count === 1 ? (unit === "hour" ? "an hour" : `a ${unit}`) : `${count} ${unit}s`;
}

/** "0:42", "1:05:00": what is left. */
export function countdown(ms) {
  const total = Math.ceil(ms / 1_000);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(total / 3_600), Math.floor(total / 60) % 60, total % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
