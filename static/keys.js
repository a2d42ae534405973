// Keyboard shortcuts. An element names its own key: data-key="r", or "g m" for two strokes.
// They rest while somebody types, in open dialogs, and when the profile says so.
"use strict";

if (document.body.dataset.shortcuts !== "off") {
  const typing = "input, textarea, select, trix-editor, [contenteditable]";
  const field = "input, textarea, select, trix-editor";
  const visible = (element) => element.checkVisibility?.({ visibilityProperty: true }) ?? element.offsetParent !== null;
  const keyed = (key) => [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter(visible);
  let prefix = "";

  /** Fields get the focus, everything else is pressed. A field wins over a link to it. */
  const press = (key) => {
    const targets = keyed(key);
    const target = targets.find((element) => element.matches(field)) ?? targets[0] ?? anywhere(key);
    if (!target) return false;
    if (target.matches(field)) {
      target.focus();
      target.scrollIntoView({ block: "nearest" });
    } else target.click();
    return true;
  };
  /** The views of the rail can be reached while the rail is folded away. */
  const anywhere = (key) => (key.startsWith("g ") ? document.querySelector(`#rail [data-key="${CSS.escape(key)}"]`) : null);

  const move = (step) => {
    const items = [...document.querySelectorAll("[data-item]")].filter(visible);
    if (!items.length) return false;
    const at = items.findIndex((item) => item === document.activeElement || item.contains(document.activeElement));
    const next = items[at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(Math.max(at + step, 0), items.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  };

  document.addEventListener("keydown", (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing;
    if (busy || event.target.closest?.(typing) || document.querySelector("dialog[open]")) return;
    const key = prefix + event.key;
    prefix = "";
    if (event.key === "g" && key === "g") {
      prefix = "g ";
      setTimeout(() => (prefix = ""), 1500);
      return;
    }
    const done =
      key === "j" ? move(1) :
      key === "k" ? move(-1) :
      key === "?" ? (document.getElementById("help")?.showModal(), true) :
      /^(g )?[a-z/]$/.test(key) && press(key);
    if (done) event.preventDefault();
  });

  // Escape leaves the search, so that the next stroke is a shortcut again.
  document.getElementById("search")?.addEventListener("keydown", (event) => {
    if (event.key === "Escape") event.target.blur();
  });
}
