// What opens above the page: new conversation, join, members and details, profile.

import { avatar, copy, explain, field, h, icon, reconcile, toast } from "./dom.js";
import { isId } from "./ids.js";
import { People } from "./view_people.js";

/** Direct, group or broadcast, with people from the start. */
export function showCreate(chat, created) {
  const kind = choice(
    "kind",
    [
      ["direct", "Direct"],
      ["group", "Group"],
      ["broadcast", "Broadcast"],
    ],
    "group",
    update,
  );
  const visibility = choice(
    "visibility",
    [
      ["private", "Private"],
      ["public", "Public"],
    ],
    "private",
    update,
  );
  const title = h("input", { id: "title", type: "text", maxlength: 128, autocomplete: "off" });
  const titleField = field("title", "Title", title);
  const visibilityField = field(null, "Who can join", visibility.element, h("p", { class: "hint" }));
  const people = new People(chat, "With");
  const submit = h("button", { class: "primary", type: "submit", id: "create" }, "Create");
  const close = show(
    "New conversation",
    [kind.element, titleField, visibilityField, people.element],
    [submit],
    async () => {
      const options = {
        kind: kind.value,
        title: title.value.trim(),
        visibility: visibility.value,
        members: people.ids,
      };
      if (options.kind === "direct" && options.members.length !== 1)
        throw new Error("Choose the one person to talk with.");
      const id = await chat.create(options);
      close();
      created(id);
    },
  );
  update();

  function update() {
    const direct = kind.value === "direct";
    titleField.hidden = visibilityField.hidden = direct;
    people.most = direct ? 1 : 100;
    visibilityField.querySelector(".hint").textContent =
      visibility.value === "public" ? "Everybody who knows its id." : "Only people who are added.";
  }
}

/** Public conversations are joined by their id. */
export function showJoin(chat, joined) {
  const id = h("input", {
    id: "join-id",
    type: "text",
    maxlength: 26,
    autocomplete: "off",
    spellcheck: "false",
    class: "mono",
  });
  const submit = h("button", { class: "primary", type: "submit" }, "Join");
  const hint = h("p", { class: "hint" }, "Its members find the id under “Members and details”.");
  const close = show(
    "Join a conversation",
    [field("join-id", "Id of a public conversation", id), hint],
    [submit],
    async () => {
      const wanted = id.value.trim().toUpperCase();
      if (!isId(wanted)) throw new Error("An id has 26 characters.");
      await chat.join(wanted);
      close();
      joined(wanted);
    },
  );
  id.focus();
}

/** Who is in a conversation, its id, adding people, leaving. */
export function showConversation(chat, conversation) {
  const { id, info } = conversation;
  const list = h("ul", { class: "members" }, h("li", {}, h("span", { class: "spinner" })));
  const parts = [idLine("Conversation id", id), h("h3", {}, "Members"), list];
  const people = new People(chat, "Add people");
  const submit = h("button", { class: "primary", type: "submit", id: "add" }, "Add");
  const leave = h(
    "button",
    { class: "danger", type: "button", onclick: () => attempt(() => chat.leave(id).then(close)) },
    icon("leave"),
    "Leave",
  );
  // Until it is known that one may.
  people.element.hidden = submit.hidden = true;
  const buttons = info.kind === "direct" ? [] : [leave, submit];
  const close = show(chat.title(conversation), [...parts, people.element], buttons, async () => {
    if (people.ids.length === 0) throw new Error("Choose somebody first.");
    const { items } = await chat.rest.add(id, people.ids);
    const failed = items.filter(({ code }) => code);
    for (const { user, code } of failed) toast(`${chat.users.name(user)} was not added: ${code.replaceAll("_", " ")}.`);
    people.clear();
    await fill();
  });
  const reader = info.kind === "broadcast" && info.role === "reader";
  if (reader) list.replaceChildren(h("li", { class: "hint" }, "Readers of a broadcast do not see each other."));
  else attempt(fill);

  async function fill() {
    const members = await chat.loadMembers(conversation);
    const mayAdd = members.some(({ user, rights }) => user === chat.me && rights?.includes("invite"));
    people.element.hidden = submit.hidden = !mayAdd;
    const draw = () =>
      reconcile(
        list,
        members.map((member) => memberRow(chat, member)),
      );
    draw();
    // Names may come a moment later.
    setTimeout(() => list.isConnected && draw(), 400);
  }
}

/** The user's own name, id, and the way out. */
export function showProfile(chat, logOut) {
  const { me, users, outbox } = chat;
  const name = users.name(me);
  const head = h(
    "div",
    { class: "profile-card" },
    avatar(me, name),
    h("div", {}, h("strong", {}, name), h("span", {}, users.handle(me))),
  );
  const unsent =
    outbox.size > 0 ? h("p", { class: "form-problem" }, `${outbox.size} unsent message(s) will be lost.`) : null;
  const out = h("button", { class: "danger", type: "submit", id: "log-out" }, icon("leave"), "Log out");
  const close = show("You", [head, idLine("Your user id", me), unsent], [out], async () => {
    close();
    logOut();
  });
}

// One dialog at a time: a form whose submit runs `work` and shows what it throws.
function show(title, parts, buttons, work) {
  const problem = h("p", { class: "form-problem", role: "alert" });
  const closer = h(
    "button",
    { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => dialog.close() },
    icon("close"),
  );
  const form = h(
    "form",
    { onsubmit },
    h("header", {}, h("h2", { id: "dialog-title" }, title), closer),
    h("div", { class: "dialog-body" }, ...parts, problem),
    buttons.length > 0 ? h("footer", {}, ...buttons) : null,
  );
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", tabindex: -1, onclose: () => dialog.remove() }, form);
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  dialog.focus();
  return () => dialog.close();

  async function onsubmit(event) {
    event.preventDefault();
    problem.textContent = "";
    const submit = form.querySelector("[type=submit]");
    if (submit) submit.disabled = true;
    try {
      await work();
    } catch (failure) {
      problem.textContent = explain(failure);
    } finally {
      if (submit) submit.disabled = false;
    }
  }
}

async function attempt(work) {
  try {
    await work();
  } catch (problem) {
    toast(explain(problem));
  }
}

function memberRow(chat, { user, role }) {
  const name = chat.users.name(user);
  const words = h("span", {}, name, user === chat.me ? h("small", {}, " you") : null);
  const make = () => h("li", { "data-user": user }, avatar(user, name), words, h("span", { class: "role" }, role));
  return { key: user, state: name + role, make };
}

function idLine(label, id) {
  const button = h(
    "button",
    { class: "icon-button", type: "button", title: "Copy", "aria-label": `Copy ${label}`, onclick: () => copy(id) },
    icon("copy"),
  );
  return h("div", { class: "id-line" }, h("span", {}, label), h("code", {}, id), button);
}

function choice(name, options, chosen, changed) {
  const element = h("div", { class: "segmented", role: "group" });
  const choose = (value) => {
    self.value = value;
    for (const button of element.children) button.setAttribute("aria-pressed", String(button.value === value));
    changed();
  };
  const self = { element, value: chosen };
  for (const [value, label] of options) {
    const checked = String(value === chosen);
    element.append(
      h("button", { type: "button", name, value, "aria-pressed": checked, onclick: () => choose(value) }, label),
    );
  }
  return self;
}
