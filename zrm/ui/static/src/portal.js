// The citizen's pages work without this; it only adds a copy button, fresh times and focus on the error summary, and
// keeps a form's identity when one goes back.
import { startChoosing } from "./shared/choosing.js";
import { startCopying } from "./shared/copying.js";
import { keepIdentities } from "./shared/identity.js";
import { startTimes } from "./shared/times.js";

startTimes();
startCopying();
startChoosing();
keepIdentities();
document.querySelector("[data-focus]")?.focus();

// A form posted twice by an impatient double click: the second press is not sent. The server refuses doubles as well.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  else form.dataset.sent = "yes";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
