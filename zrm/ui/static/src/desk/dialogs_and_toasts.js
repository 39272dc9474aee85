// Dialogs, menus, the drawer, toasts, counters: the small things that open, close and count.
import { inDigits } from "../shared/times.js";

const TOAST_TIME = 7000;

export function openDialog(dialog) {
  if (dialog.open) return;
  document.querySelectorAll("details.z-menu[open]").forEach((menu) => (menu.open = false));
  dialog.showModal();
}

export function setCount(key, number) {
  for (const counter of document.querySelectorAll(`[data-count="${CSS.escape(key)}"]`)) {
    counter.textContent = inDigits(number);
    counter.hidden = !number;
  }
  for (const shown of document.querySelectorAll(`[data-shown-by="${CSS.escape(key)}"]`)) shown.hidden = !number;
}

export function setUnread(number) {
  for (const counter of document.querySelectorAll("[data-unread]")) {
    counter.textContent = inDigits(number);
    counter.hidden = !number;
  }
  for (const words of document.querySelectorAll("[data-unread-words]")) words.hidden = !number;
}

/** Shows a toast for a while; one that says something is wrong stays until it is dismissed. */
export function showToast(text, tone = "info", href = "") {
  const shelf = document.querySelector("[data-toasts]");
  const toast = document.getElementById("toast").content.firstElementChild.cloneNode(true);
  toast.className = `z-toast z-toast-${tone}`;
  const words = toast.querySelector("span");
  if (href && new URL(href, location).origin === location.origin) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = text;
    words.replaceChildren(link);
  } else {
    words.textContent = text;
  }
  shelf.append(toast);
  while (shelf.children.length > 4) shelf.firstElementChild.remove();
  if (tone !== "bad") setTimeout(() => toast.remove(), TOAST_TIME);
}

/** An empty field is asked for in the page's language; the browser would ask in its own. */
function askForWords() {
  const asked = new Set();
  document.addEventListener("invalid", ({ target }) => {
    if (!target.validity.valueMissing) return;
    target.setCustomValidity(document.body.dataset.required);
    asked.add(target);
  }, true);
  // Our words alone would hold the form back: they go with the next thing anybody does, and what is still empty is asked for anew.
  const forget = () => {
    for (const field of asked) field.setCustomValidity("");
    asked.clear();
  };
  for (const kind of ["pointerdown", "keydown", "input", "change"]) document.addEventListener(kind, forget, true);
}

export function startDialogsAndToasts() {
  askForWords();
  document.addEventListener("click", onClick);
  document.addEventListener("change", (event) => event.target.form?.matches("[data-autosubmit]") && event.target.form.requestSubmit());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    drawer(false);
    for (const menu of document.querySelectorAll("details.z-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  // htmx posts carry the same token as the forms do.
  document.addEventListener("htmx:config:request", (event) => {
    const request = event.detail.ctx.request;
    if (new URL(request.action, location).origin === location.origin) request.headers["X-CSRF-Token"] = document.body.dataset.csrf;
  });
  document.addEventListener("htmx:error", () => showToast(document.body.dataset.failed ?? "", "bad"));
}

function onClick(event) {
  const opener = event.target.closest("[data-opens]");
  if (opener?.dataset.opens === "palette") document.dispatchEvent(new CustomEvent("desk:palette"));
  else if (opener?.dataset.opens === "keys") document.dispatchEvent(new CustomEvent("desk:keys"));
  else if (opener) openDialog(document.getElementById(opener.dataset.opens));
  event.target.closest("[data-dismiss]")?.closest(".z-toast")?.remove();
  // A click on the backdrop lands on the dialog itself.
  if (event.target.matches("dialog.z-dialog")) event.target.close();
  for (const menu of document.querySelectorAll("details.z-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (event.target.closest("[data-side]")) drawer();
  else if (!event.target.closest(".z-side")) drawer(false);
}

function drawer(open = !document.body.classList.contains("z-side-open")) {
  document.body.classList.toggle("z-side-open", open);
  document.querySelector("[data-side]")?.setAttribute("aria-expanded", String(open));
  if (open) document.getElementById("side").focus();
}
