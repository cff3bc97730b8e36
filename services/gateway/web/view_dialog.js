// What opens above the page and asks for something.

import { copy, h, icon, toast } from "./dom.js";
import { explain } from "./explain.js";

/** One dialog at a time: a form whose submit runs `work` and shows what it throws. Answers how to close it. */
export function show(title, parts, buttons, work, { wide = false } = {}) {
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
  const props = { "aria-labelledby": "dialog-title", tabindex: -1, onclose: () => dialog.remove() };
  const dialog = h("dialog", { ...props, class: wide ? "wide-dialog" : undefined }, form);
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  (form.querySelector("[autofocus]") ?? dialog).focus();
  return () => dialog.close();

  async function onsubmit(event) {
    event.preventDefault();
    problem.textContent = "";
    const submit = form.querySelector("footer [type=submit]");
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

/** Asks before something that cannot be taken back. `parts` may hold more to fill in. */
export function confirm(title, text, action, work, parts = []) {
  const cancel = h("button", { class: "quiet", type: "button", onclick: () => close() }, "Cancel");
  const submit = h("button", { class: "danger solid", type: "submit", id: "confirm", autofocus: true }, action);
  const close = show(title, [h("p", {}, text), ...parts], [cancel, submit], async () => {
    await work();
    close();
  });
}

/** Does something; what it throws is said. Answers whether it worked. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (problem) {
    toast(explain(problem));
    return false;
  }
}

/** An id, to be copied. */
export function idLine(label, id) {
  const props = { class: "icon-button", type: "button", title: "Copy", "aria-label": `Copy ${label}` };
  const button = h("button", { ...props, onclick: () => copy(id) }, icon("copy"));
  return h("div", { class: "id-line" }, h("span", {}, label), h("code", {}, id), button);
}

/** One of a few. */
export function choice(name, options, chosen, changed) {
  const element = h("div", { class: "segmented", role: "group", "aria-label": name });
  const choose = (value) => {
    self.value = value;
    for (const button of element.children) button.setAttribute("aria-pressed", String(button.value === value));
    changed(value);
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

/** On or off. `set(on)` may refuse: then it stays as it was. */
export function toggle(label, hint, on, set) {
  const onchange = async ({ target }) => {
    const wanted = target.checked;
    if (!(await attempt(() => set(wanted)))) target.checked = !wanted;
  };
  const input = h("input", { type: "checkbox", role: "switch", checked: on, onchange });
  return h("label", { class: "toggle" }, h("span", {}, label, hint ? h("small", {}, hint) : null), input);
}
