// Light, dark, or as the system has it. `look_early.js` sets it before the first pixel.

const KEY = "chat.look";
const LOOKS = ["system", "light", "dark"];

export function look() {
  const known = document.documentElement.dataset.look;
  return LOOKS.includes(known) ? known : "system";
}

export function setLook(name) {
  document.documentElement.dataset.look = name;
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // Storage is full or forbidden: it holds for as long as this page lives.
  }
}

/** What is on screen now. */
export function isDark() {
  const name = look();
  return name === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : name === "dark";
}
