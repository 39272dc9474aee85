// The composer: what each reply route can carry, what a text message costs, templates. The server asks all of it again.
import { showCost } from "./cost.js";
import { openDialog, showToast } from "./dialogs_and_toasts.js";

export function startComposer() {
  document.addEventListener("change", (event) => {
    if (event.target.closest("#composer")) refreshComposer();
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches("#composer textarea")) return;
    showCost(event.target.form);
    grow(event.target);
  });
  document.addEventListener("submit", (event) => {
    const field = event.target.id === "composer" ? event.target.elements.files : null;
    if (!field?.files.length) return;
    const bytes = [...field.files].reduce((sum, file) => sum + file.size, 0);
    if (field.files.length <= Number(field.dataset.most) && bytes <= Number(field.dataset.bytes)) return;
    event.preventDefault();
    showToast(field.dataset.tooMuch, "bad");
  });
  document.addEventListener("click", onClick);
  const fragment = location.hash.startsWith("#delivery-") && document.getElementById(location.hash.slice(1));
  if (fragment) { fragment.open = true; fragment.scrollIntoView({ block: "center" }); }
  refreshComposer();
}

/** As tall as its words, where the style sheet alone cannot say so. */
function grow(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.style.blockSize = "auto";
  area.style.blockSize = `${area.scrollHeight + 2}px`;
}

/** Only some reply routes have a subject, carry files, or are paid for by segments. */
export function refreshComposer() {
  const composer = document.getElementById("composer");
  if (!composer) return;
  const route = composer.elements.route.selectedOptions[0];
  composer.querySelector("[data-title-field]").hidden = !("titled" in (route?.dataset ?? {}));
  const carries = Boolean(route) && "files" in route.dataset, chosen = composer.elements.files.files.length > 0;
  composer.querySelector("[data-files-field]").hidden = !carries && !chosen;
  composer.querySelector("[data-no-files]").hidden = carries || !chosen;
  showCost(composer);
  grow(composer.querySelector("textarea"));
}

function onClick(event) {
  const opener = event.target.closest("[data-templates], [data-templates-here] [data-template-language]");
  const place = document.querySelector("[data-templates-here]");
  if (opener && place && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    fetchInto(place, opener.href);
  }
  const insert = event.target.closest("[data-templates-here] [data-insert]");
  if (insert) {
    event.preventDefault();
    place.closest("dialog").close();
    put(insert.closest("article").querySelector(".z-template-text").textContent);
  }
}

async function fetchInto(place, href) {
  try {
    const answer = await fetch(href, { headers: { Accept: "text/html" } });
    const list = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("template-list");
    if (!list) return location.assign(href);
    place.replaceChildren(...document.importNode(list, true).childNodes);
    openDialog(place.closest("dialog"));
  } catch {
    showToast(document.body.dataset.failed ?? "", "bad");
  }
}

/** Puts the words where the cursor is; what was typed stays. */
function put(text) {
  const area = document.querySelector("#composer textarea");
  if (!area) return;
  area.focus();
  const before = area.value.slice(0, area.selectionStart);
  area.setRangeText((before && !before.endsWith("\n") ? "\n" : "") + text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
