// The first page: log in or sign up.

import { h, icon } from "./dom.js";
import { explain } from "./explain.js";
import { Session } from "./session.js";

const WHY = {
  token_revoked: "You were logged out.",
  unauthenticated: "Your session has ended. Log in again.",
  account_suspended: "This account is suspended.",
};

/** Shows the form in `root`; `signedIn(session)` follows. */
export function signIn(root, { signedIn, why }) {
  document.title = "Chat";
  let signingUp = false;
  const name = input("name", "Name", { autocomplete: "username", minlength: 3, maxlength: 32, required: true });
  name.control.setAttribute("pattern", "[a-z0-9_.\\-]+");
  name.control.setAttribute("title", "3 to 32 of a–z, 0–9, _ . -");
  name.control.setAttribute("autocapitalize", "none");
  name.control.setAttribute("spellcheck", "false");
  // Names have no capitals; phones begin every word with one.
  name.control.addEventListener("input", () => {
    const lower = name.control.value.toLowerCase();
    if (lower !== name.control.value) name.control.value = lower;
  });
  const display = input("display-name", "Display name", {
    autocomplete: "name",
    maxlength: 64,
    placeholder: "Optional",
  });
  const password = input("password", "Password", { type: "password", minlength: 8, maxlength: 1024, required: true });
  const problem = h("p", { class: "form-problem", role: "alert" }, why ? (WHY[why] ?? "Log in again.") : "");
  const submit = h("button", { class: "primary wide", type: "submit" });
  const logInTab = h("button", { type: "button", onclick: () => choose(false) }, "Log in");
  const signUpTab = h("button", { type: "button", onclick: () => choose(true) }, "Sign up");
  const form = h(
    "form",
    { class: "sign-in-form", onsubmit },
    h("div", { class: "segmented", role: "group", "aria-label": "Log in or sign up" }, logInTab, signUpTab),
    name.field,
    display.field,
    password.field,
    problem,
    submit,
  );
  const mark = h("span", { class: "brand-mark" }, icon("logo"));
  const card = h(
    "main",
    { class: "sign-in" },
    h("div", { class: "brand" }, mark, h("h1", {}, "Chat")),
    form,
    h("p", { class: "hint" }, "Each tab is a log-in of its own: open a second one to be somebody else."),
    h("p", { class: "hint" }, h("a", { class: "link", href: "/reference" }, "Reference of the API")),
  );
  root.replaceChildren(card);
  choose(false);
  name.control.focus();

  function choose(up) {
    signingUp = up;
    logInTab.setAttribute("aria-pressed", String(!up));
    signUpTab.setAttribute("aria-pressed", String(up));
    display.field.hidden = !up;
    password.control.autocomplete = up ? "new-password" : "current-password";
    submit.textContent = up ? "Create account" : "Log in";
  }

  async function onsubmit(event) {
    event.preventDefault();
    problem.textContent = "";
    submit.disabled = true;
    try {
      const [who, secret] = [name.control.value.trim(), password.control.value];
      const session = signingUp
        ? await Session.signUp(who, secret, display.control.value.trim())
        : await Session.logIn(who, secret);
      signedIn(session);
    } catch (failure) {
      problem.textContent = explain(failure);
      submit.disabled = false;
    }
  }
}

function input(id, label, props) {
  const control = h("input", { id, type: "text", ...props });
  return { control, field: h("div", { class: "field" }, h("label", { for: id }, label), control) };
}
