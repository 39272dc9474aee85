// Sign-in and security, beside the desk or alone: passkeys, copying, printing. Every page works without it by other ways.
//
// A form with data-passkey="use" or "make" is shown where the browser knows passkeys. Sending it asks the server for its
// question (data-options), the device for the answer, and then sends the form itself with the answer in `credential`.
import { browserSupportsWebAuthn, startAuthentication, startRegistration } from "@simplewebauthn/browser";
import { startAddress } from "./shared/address.js";
import { startCopying } from "./shared/copying.js";

if (!document.body.classList.contains("z-desk")) {
  startAddress();
  startCopying();
}

if (browserSupportsWebAuthn()) for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer(form);
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

async function answer(form) {
  const button = form.querySelector("button"), failed = form.querySelector("[role=alert]");
  failed.hidden = true;
  button.disabled = true;
  try {
    const token = form.elements.namedItem("token")?.value ?? "";
    const question = await fetch(form.dataset.options, {
      method: "POST",
      headers: { "X-CSRF-Token": form.dataset.csrf },
      body: new URLSearchParams({ token }),
    });
    // An agent who must first prove their identity again is redirected to that page.
    if (question.redirected) return location.assign(question.url);
    if (!question.ok) throw new Error(String(question.status));
    const optionsJSON = await question.json();
    const given = form.dataset.passkey === "make" ? await startRegistration({ optionsJSON }) : await startAuthentication({ optionsJSON });
    form.elements.namedItem("credential").value = JSON.stringify(given);
    form.submit();
  } catch {
    failed.textContent = form.dataset.failed;
    failed.hidden = false;
    button.disabled = false;
    button.focus();
  }
}
