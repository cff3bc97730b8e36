// Everything about oneself: profile, look, devices, blocked people, password, the ways out.

import { field, fullTime, h, howLong, icon, toast } from "./dom.js";
import { explain } from "./explain.js";
import { look, setLook } from "./look.js";
import { noticesOn, setNotices } from "./notices.js";
import { attempt, choice, confirm, idLine, show, toggle } from "./view_dialog.js";
import { avatarOf } from "./view_message.js";
import { statusPart } from "./view_status.js";

const TABS = [
  ["profile", "Profile", profilePart],
  ["look", "Look", lookPart],
  ["devices", "Devices", devicesPart],
  ["blocked", "Blocked", blockedPart],
  ["account", "Account", accountPart],
];

/** `logOut()` follows the wish to leave; `help()` shows the keys. */
export function showAccount(chat, { logOut, help }) {
  const { outbox } = chat;
  const body = h("div", { class: "tab-body", role: "tabpanel", tabindex: -1 });
  const unsent =
    outbox.size > 0 ? h("p", { class: "form-problem" }, `${outbox.size} unsent message(s) will be lost.`) : null;
  const tabs = TABS.map(([name, label]) =>
    h("button", { type: "button", role: "tab", "data-tab": name, onclick: () => open(name) }, label),
  );
  const keys = h("button", { class: "quiet", type: "button", onclick: help }, "Keyboard");
  const out = h("button", { class: "danger", type: "submit", id: "log-out" }, icon("leave"), "Log out");
  const bar = h("div", { class: "tabs", role: "tablist", "aria-label": "Settings" }, ...tabs);
  const close = show("You", [bar, body, unsent], [out, keys], async () => {
    close();
    logOut();
  });
  open("profile");

  function open(wanted) {
    for (const tab of tabs) tab.setAttribute("aria-selected", String(tab.dataset.tab === wanted));
    const [, , make] = TABS.find(([name]) => name === wanted);
    body.replaceChildren(make(chat));
  }
}

function profilePart(chat) {
  const { profile, users, actions, me } = chat;
  const text = (id, value, props) =>
    h("input", { id, type: "text", autocomplete: "off", value: value ?? "", ...props });
  const name = text("my-name", profile.display_name, { maxlength: 64, placeholder: profile.name });
  const picture = text("my-picture", profile.avatar_url, { type: "url", maxlength: 512, placeholder: "https://…" });
  const save = saveButton("save-profile", async () => {
    const filled = (input) => input.value.trim() || null;
    await actions.changeMe({ display_name: filled(name), avatar_url: filled(picture) });
    card.replaceChildren(...face());
    toast("Saved.");
  });
  const face = () => [
    avatarOf(chat, me),
    h("div", {}, h("strong", {}, users.name(me)), h("span", {}, users.handle(me))),
  ];
  const card = h("div", { class: "profile-card" }, ...face());
  const receipts = toggle("Read receipts", "Others see how far you have read.", profile.receipts ?? true, (on) =>
    actions.changeMe({ receipts: on }),
  );
  return h(
    "div",
    { class: "tab-part" },
    card,
    statusPart(chat),
    field("my-name", "Display name", name),
    field("my-picture", "Address of a picture", picture),
    save,
    receipts,
    idLine("Your user id", me),
  );
}

function lookPart() {
  const options = [
    ["system", "As the system"],
    ["light", "Light"],
    ["dark", "Dark"],
  ];
  const notices = toggle(
    "Desktop notifications",
    "Of messages that call you while this page is hidden.",
    noticesOn(),
    setNotices,
  );
  return h(
    "div",
    { class: "tab-part" },
    field(null, "Look", choice("look", options, look(), setLook).element),
    notices,
  );
}

function devicesPart(chat) {
  const { rest } = chat;
  const list = h("ul", { class: "people-list", id: "devices" }, h("span", { class: "spinner" }));
  const others = h("button", { class: "danger", type: "button", id: "log-out-others" }, "Log out all others");
  others.addEventListener("click", () =>
    confirm("Log out all other devices?", "They have to log in again.", "Log out", async () => {
      await rest.endOtherSessions();
      await fill();
    }),
  );
  const row = ({ id, device, last_used_at, created_at, current }) => {
    const end = () => attempt(() => rest.endSession(id)).then(fill);
    const used = current ? "This device" : `Last used ${howLong(Date.now() - Date.parse(last_used_at))} ago`;
    const words = h("small", { title: `Since ${fullTime(created_at)}` }, used);
    const out = h("button", { class: "quiet small", type: "button", "data-session": id, onclick: end }, "Log out");
    const name = h("span", { class: "member-name" }, h("strong", {}, device), words);
    return h("li", {}, h("span", { class: "device-mark" }, icon("device")), name, current ? null : out);
  };
  const fill = () =>
    attempt(async () => {
      const { items } = await rest.sessions();
      items.sort((a, b) => Number(b.current) - Number(a.current) || b.last_used_at.localeCompare(a.last_used_at));
      list.replaceChildren(...items.map(row));
      others.hidden = items.length < 2;
    });
  fill();
  return h("div", { class: "tab-part" }, list, others);
}

function blockedPart(chat) {
  const list = h("ul", { class: "people-list", id: "blocked" });
  const fill = () => {
    const rows = chat.blocks.all.map(({ user }) => {
      const lift = () => attempt(() => chat.blocks.lift(user)).then(fill);
      const button = h("button", { class: "quiet small", type: "button", onclick: lift }, "Unblock");
      const words = h(
        "span",
        { class: "member-name" },
        h("strong", {}, chat.users.name(user)),
        h("small", {}, chat.users.handle(user)),
      );
      return h("li", { "data-user": user }, avatarOf(chat, user), words, button);
    });
    list.replaceChildren(...rows);
    if (rows.length === 0)
      list.append(h("li", { class: "hint" }, "Nobody. People are blocked from their menu in a conversation."));
  };
  fill();
  attempt(() => chat.blocks.load()).then(fill);
  setTimeout(() => list.isConnected && fill(), 600);
  return h("div", { class: "tab-part" }, list);
}

function accountPart(chat) {
  const secret = (id, autocomplete) => h("input", { id, type: "password", autocomplete, maxlength: 1_024 });
  const old = secret("old-password", "current-password");
  const fresh = secret("new-password", "new-password");
  const save = saveButton("save-password", async () => {
    await chat.rest.changePassword({ old: old.value, new: fresh.value });
    old.value = fresh.value = "";
    toast("Changed. Your other devices are logged out.");
  });
  const hint = h("p", { class: "hint" }, "At least 8 characters. All other devices are logged out.");
  const close = () =>
    confirm("Close your account?", "You are logged out everywhere and cannot log in again.", "Close it", () =>
      chat.rest.deactivate(),
    );
  const end = h(
    "button",
    { class: "danger small", type: "button", id: "deactivate", onclick: close },
    "Close the account…",
  );
  const fields = [field("old-password", "Present password", old), field("new-password", "New password", fresh)];
  return h("div", { class: "tab-part" }, ...fields, hint, save, h("div", {}, end));
}

// Saves one part, and says beside it what went wrong.
function saveButton(id, work) {
  const problem = h("p", { class: "form-problem", role: "alert" });
  const button = h("button", { class: "primary", type: "button", id }, "Save");
  button.addEventListener("click", async () => {
    problem.textContent = "";
    button.disabled = true;
    try {
      await work();
    } catch (failure) {
      problem.textContent = explain(failure);
    }
    button.disabled = false;
  });
  return h("div", { class: "save-line" }, problem, button);
}
