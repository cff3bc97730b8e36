// Not a module, so that it runs before the page is drawn: the look that was chosen here before.

try {
  document.documentElement.dataset.look = localStorage.getItem("chat.look") ?? "system";
} catch {
  document.documentElement.dataset.look = "system";
}
