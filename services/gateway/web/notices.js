// Notices of the system, for what calls while nobody looks. Off until somebody turns them on.

const KEY = "chat.notices";

export const noticesOn = () => stored() && "Notification" in globalThis && Notification.permission === "granted";

/** Asks the browser's leave. Answers whether they are on now. */
export async function setNotices(on) {
  if (on && (!("Notification" in globalThis) || (await Notification.requestPermission()) !== "granted")) {
    throw new Error("The browser does not allow it. Its settings for this page can.");
  }
  localStorage.setItem(KEY, on ? "on" : "off");
  return on;
}

/** One per conversation: a newer one takes the place of the one before. */
export function notify(title, body, conversation, opened) {
  if (!noticesOn() || document.visibilityState === "visible") return;
  const notice = new Notification(title, { body, tag: conversation, icon: "/console/icon.svg" });
  notice.onclick = () => {
    window.focus();
    notice.close();
    opened();
  };
}

function stored() {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}
