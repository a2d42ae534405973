// What HTML and htmx cannot do by themselves. Every page works without this file.
// Words never stand here: they come with the page, in templates and data attributes.
"use strict";

const language = document.documentElement.lang || "en";
const all = (selector, root = document) => [
  ...(root.matches?.(selector) ? [root] : []),
  ...(root.querySelectorAll?.(selector) ?? []),
];

/** Make what came with the page, or with a swap, work. */
function enhance(root) {
  all("[data-copy], [data-reveal], [data-close], [data-opens][hidden]", root).forEach((button) => (button.hidden = false));
  all(".toast", root).forEach(expire);
  all("[data-ago]", root).forEach(showAge);
  all("iframe[data-fit]", root).forEach(fitFrame);
  all("textarea[data-editor]", root).forEach(startEditor);
  all("[data-files]", root).forEach(listFiles);
  all("[data-completes]", root).forEach(complete);
  all("[data-insert]", root).forEach((chip) => (chip.disabled = false));
}

// --- htmx: a copy of our own when the CDN is out of reach -----------------------------------------
const here = document.currentScript.src;
if (!window.htmx) {
  const version = document.querySelector('script[src*="/htmx.org@"]')?.src.match(/htmx\.org@([\d.]+)/)?.[1];
  const script = document.createElement("script");
  script.src = new URL(`vendor/htmx-${version}.js`, here);
  script.onerror = () => document.addEventListener("change", (event) => {
    if (event.target.form?.hasAttribute("data-submits")) event.target.form.requestSubmit();
  });
  if (version) document.head.append(script);
}

// Nobody looks at a hidden page: it asks for nothing until it is seen again.
document.addEventListener("htmx:config:request", (event) => {
  if (document.hidden && event.detail.ctx.sourceEvent?.type === "every") event.preventDefault();
});

document.addEventListener("htmx:after:settle", (event) => {
  for (const element of event.detail.newContent ?? []) {
    if (element.nodeType !== 1) continue;
    enhance(element);
    const focus = all("[data-focus], [aria-invalid='true']", element)[0];
    if (focus) focus.focus({ preventScroll: false });
  }
  countInTitle();
});

// An answer that nobody made for this page (a proxy, a broken line) must not replace what stands here.
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (ctx.hx?.retarget || ctx.hx?.redirect || [409, 422].includes(ctx.response.status)) return;
  ctx.swap = "none";
  notify("notice-broken");
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.error instanceof TypeError && detail.ctx) notify("notice-offline");
});

// --- Notices ---------------------------------------------------------------------------------------
function notify(id) {
  const notices = document.getElementById("notices");
  const template = document.getElementById(id);
  if (!notices || !template || notices.querySelector(`[data-from="${id}"]`)) return;
  const notice = template.content.firstElementChild.cloneNode(true);
  notice.dataset.from = id;
  notices.append(notice);
  enhance(notice);
}

function expire(notice) {
  const wait = Number(notice.dataset.toast);
  if (!wait) return;
  let timer = setTimeout(() => notice.remove(), wait);
  const stop = () => clearTimeout(timer);
  const go = () => (timer = setTimeout(() => notice.remove(), wait));
  ["mouseenter", "focusin"].forEach((name) => notice.addEventListener(name, stop));
  ["mouseleave", "focusout"].forEach((name) => notice.addEventListener(name, go));
}

// --- Times -----------------------------------------------------------------------------------------
const units = (unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 });
const ages = { minute: units("minute"), hour: units("hour") };

/** Minutes and hours only: older times stay as the server wrote them. */
function showAge(time) {
  const minutes = Math.floor((Date.now() - Date.parse(time.dateTime)) / 60000);
  const before = new Date();
  before.setHours(0, 0, 0, 0);
  if (minutes < 1 || Date.parse(time.dateTime) < before) return;
  time.textContent = minutes < 60 ? ages.minute.format(minutes) : ages.hour.format(Math.floor(minutes / 60));
}
setInterval(() => { if (!document.hidden) all("[data-ago]").forEach(showAge); }, 30000);

/** How many tickets are mine, where a tab among others still shows it. */
function countInTitle() {
  const count = document.querySelector("[data-title-count]")?.dataset.titleCount;
  document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
}

// --- Mail frames: as high as their mail --------------------------------------------------------------
function fitFrame(frame) {
  const fit = () => {
    const page = frame.contentDocument;
    if (!page?.documentElement || page.URL === "about:blank") return; // lazy: not there yet
    const root = page.documentElement;
    const bar = root.scrollWidth > root.clientWidth ? 18 : 2; // a wide mail scrolls sideways
    frame.style.height = `${Math.min(root.offsetHeight + bar, 20000)}px`;
  };
  const start = () => {
    fit();
    const page = frame.contentDocument;
    page?.querySelectorAll("img").forEach((image) => image.addEventListener("load", fit));
    page?.querySelectorAll("details").forEach((details) => details.addEventListener("toggle", fit));
  };
  frame.addEventListener("load", start);
  new ResizeObserver(fit).observe(frame.parentElement);
  if (frame.contentDocument?.readyState === "complete") start();
}

// --- The composer ------------------------------------------------------------------------------------
const escapeText = (text) => Object.assign(document.createElement("p"), { textContent: text }).innerHTML;

/** Put Trix over the textarea. `format` tells the server which of the two it gets. */
function startEditor(area) {
  if (!window.Trix || area.dataset.editor === "on") return;
  area.dataset.editor = "on";
  const form = area.form;
  const toolbar = document.getElementById(area.dataset.toolbar);
  const editor = document.createElement("trix-editor");
  const label = document.querySelector(`label[for="${area.id}"]`);
  if (form.elements.format.value !== "html") {
    area.value = area.value ? `<div>${escapeText(area.value).replaceAll("\n", "<br>")}</div>` : "";
    form.elements.format.value = "html";
  }
  toolbar.hidden = false;
  editor.setAttribute("input", area.id);
  editor.setAttribute("toolbar", toolbar.id);
  editor.setAttribute("placeholder", area.placeholder);
  editor.setAttribute("aria-label", label ? label.textContent.trim() : "");
  editor.setAttribute("role", "textbox");
  editor.setAttribute("aria-multiline", "true");
  for (const name of ["aria-invalid", "aria-describedby"]) {
    if (area.hasAttribute(name)) editor.setAttribute(name, area.getAttribute(name));
    area.removeAttribute(name);
  }
  editor.className = area.className;
  if (area.dataset.key) editor.dataset.key = area.dataset.key;
  delete area.dataset.key;
  area.hidden = true;
  area.required = false;
  if (area.autofocus || area.matches(":target")) {
    editor.addEventListener("trix-initialize", () => editor.focus(), { once: true });
  }
  area.after(editor);
}
document.addEventListener("trix-file-accept", (event) => event.preventDefault());

// What was typed last is saved when the page is left; htmx saves all else while one types.
let unsaved;
for (const name of ["input", "trix-change"]) {
  document.addEventListener(name, ({ target }) => (unsaved = target.closest?.(".composer form") ?? unsaved));
}
addEventListener("beforeunload", () => { // before the next page is asked for, which shows the draft
  if (!unsaved?.isConnected) return;
  const typed = [...new FormData(unsaved)].filter(([, value]) => typeof value === "string");
  fetch(unsaved.dataset.draft, { method: "POST", body: new URLSearchParams(typed), keepalive: true });
});

const fileSizes = { kilobyte: units("kilobyte"), megabyte: units("megabyte") };
const fileSize = (bytes) =>
  bytes < 999500 ? fileSizes.kilobyte.format(Math.max(1, Math.round(bytes / 1000))) : fileSizes.megabyte.format(bytes / 1e6);

function setFiles(input, files) {
  const transfer = new DataTransfer();
  files.forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
  input._files = files;
  listFiles(input);
}

function chooseFiles(input, files) {
  setFiles(input, files);
  input.dispatchEvent(new Event("files-chosen", { bubbles: true }));
}

/** The chosen files as chips, each with its size and a button that takes it off again, until the draft has them. */
function listFiles(input) {
  const list = document.getElementById(input.dataset.files);
  list?.replaceChildren(...[...input.files].map((file, index) => {
    const chip = document.getElementById("file-chip").content.firstElementChild.cloneNode(true);
    chip.querySelector("[data-name]").textContent = file.name;
    chip.querySelector("[data-size]").textContent = fileSize(file.size);
    const button = chip.querySelector("button");
    button.setAttribute("aria-label", `${button.getAttribute("aria-label")} ${file.name}`);
    button.addEventListener("click", () => {
      setFiles(input, [...input.files].filter((_, place) => place !== index));
      input.focus();
    });
    return chip;
  }));
}

function takeFiles(event, source) {
  const input = event.target.closest?.("[data-drop]")?.querySelector("[data-files]");
  const files = [...(source?.files ?? [])];
  if (!input || !files.length) return;
  event.preventDefault();
  event.stopPropagation();
  chooseFiles(input, [...input.files, ...files]);
}
// A second choice adds to the first instead of replacing it.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.matches?.("[data-files]")) chooseFiles(input, [...(input._files ?? []), ...input.files]);
});
document.addEventListener("drop", (event) => {
  all(".dragging").forEach((zone) => zone.classList.remove("dragging"));
  takeFiles(event, event.dataTransfer);
}, true);
document.addEventListener("paste", (event) => {
  if (!event.clipboardData?.types.includes("text/plain")) takeFiles(event, event.clipboardData);
}, true);
document.addEventListener("dragover", (event) => {
  const zone = event.target.closest?.("[data-drop]");
  if (!zone || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  zone.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  const zone = event.target.closest?.("[data-drop]");
  if (zone && !zone.contains(event.relatedTarget)) zone.classList.remove("dragging");
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  if (event.target.matches?.(".composer input")) event.preventDefault(); // an address is typed, nothing is sent
  if (!(event.metaKey || event.ctrlKey)) return;
  const form = event.target.closest?.("form[data-send]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("[data-default]");
  // The editor hands over its last keystroke with the next frame.
  setTimeout(() => { if (!button?.disabled) form.requestSubmit(button); }, 60);
});

// --- What a person typed is theirs: the server fills in again only what still is its own default --------
document.addEventListener("input", (event) => {
  const own = event.target.dataset?.typed && document.getElementById(event.target.dataset.typed);
  if (own) own.value = "typed";
});

// --- Placeholders: "{{" offers their names, a chip puts its own where the cursor was -----------------
let writing;
function insertName(field, name) {
  const { value, selectionStart: end } = field;
  const begin = value.slice(0, end).match(/\{\{[\w. ]*$/)?.index ?? end;
  field.focus();
  field.setRangeText(`{{${name}}}`, begin, end + value.slice(end).match(/^([\w.]* *}})?/)[0].length, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function complete(field) {
  const list = document.getElementById(field.dataset.completes);
  const said = list.nextElementSibling;
  let names, at;
  const mark = (place) => {
    at = (place + names.length) % names.length;
    names.forEach((name, index) => (name.ariaSelected = index === at));
    field.setAttribute("aria-activedescendant", names[at].id);
    names[at].scrollIntoView({ block: "nearest" });
  };
  const offer = (begun) => {
    names = [...list.children].filter((name) => !(name.hidden = !begun || !name.textContent.includes(begun[1])));
    const open = !(list.hidden = !names.length);
    said.textContent = open ? said.dataset.said : "";
    if (field.role) field.ariaExpanded = open;
    if (!open) return field.removeAttribute("aria-activedescendant");
    const above = field.cloneNode(); // as high as the text down to the cursor
    above.value = field.value.slice(0, field.selectionStart);
    above.style.cssText = "height:0;min-height:0";
    field.after(above, list);
    list.style.top = `${Math.min(above.scrollHeight - field.scrollTop, field.offsetHeight)}px`;
    above.remove();
    mark(0);
  };
  field.onfocus = () => (writing = field);
  field.onblur = () => offer();
  field.oninput = () => offer(field.value.slice(0, field.selectionStart).match(/\{\{ *([\w.]*)$/));
  field.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Enter: 0, Tab: 0, Escape: 0 }[event.key];
    if (list.hidden || step === undefined) return;
    event.preventDefault();
    if (step) mark(at + step);
    else if (event.key === "Escape") offer();
    else insertName(field, names[at].textContent);
  };
}
document.addEventListener("mousedown", (event) => {
  const name = event.target.closest?.("[role=option]");
  if (!name) return;
  event.preventDefault();
  insertName(writing, name.textContent);
});

// --- Buttons -----------------------------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const target = event.target.closest?.("[data-copy], [data-reveal], [data-close], [data-opens], [data-shuts], [data-insert], [data-cc]");
  all("details[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  if (!target) return;
  if ("copy" in target.dataset) copy(target);
  if ("reveal" in target.dataset) reveal(target);
  if ("close" in target.dataset) target.closest(".toast, .banner").remove();
  if ("insert" in target.dataset) insertName(writing ?? document.getElementById("body"), target.dataset.insert);
  if ("cc" in target.dataset && !event.ctrlKey && !event.metaKey) putIntoCc(event, target.dataset.cc);
  if ("shuts" in target.dataset) target.closest("dialog").close();
  const dialog = target.dataset.opens && document.getElementById(target.dataset.opens);
  if (!dialog) return;
  event.preventDefault();
  target.closest("[popover]:popover-open")?.hidePopover();
  dialog.showModal();
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.("details[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/** What is being written stays, and so does who is in Cc already; without this file, the link loads the page again. */
function putIntoCc(event, address) {
  const field = document.getElementById("composer-cc");
  const there = field.value.split(/[,;]/).map((one) => one.trim()).filter(Boolean);
  event.preventDefault();
  field.closest("details").open = true;
  field.value = [...new Set([...there, address])].join(", ");
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy).catch(() => {
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  });
  const label = button.querySelector("span");
  const before = label.textContent;
  label.textContent = button.dataset.done;
  setTimeout(() => (label.textContent = before), 2000);
}

function reveal(button) {
  const field = document.getElementById(button.dataset.reveal);
  const hidden = field.type === "password";
  field.type = hidden ? "text" : "password";
  button.setAttribute("aria-pressed", String(hidden));
}

// --- Start -------------------------------------------------------------------------------------------
countInTitle();
enhance(document);
document.querySelector("main [aria-invalid='true'], main [data-focus]")?.focus();
document.querySelector("textarea:target:not([hidden])")?.focus();
