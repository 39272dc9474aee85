// Unsent words survive a reload: <textarea data-draft="case-42-reply"> is kept in this tab's storage until its form is sent.
// The key carries the signed-in person's name, so the next one at this machine does not find it in their form.
const keyOf = (area) => `draft:${document.body.dataset.user}:${area.dataset.draft}`;

export function startDrafts() {
  for (const area of document.querySelectorAll("textarea[data-draft]")) restore(area);
  document.addEventListener("input", (event) => {
    if (!event.target.matches("textarea[data-draft]")) return;
    if (event.target.value.trim()) sessionStorage.setItem(keyOf(event.target), event.target.value);
    else sessionStorage.removeItem(keyOf(event.target));
  });
  // The server says that it kept the words by answering with this mark; until then the draft stays.
  for (const mark of document.querySelectorAll("[data-draft-sent]")) {
    sessionStorage.removeItem(keyOf({ dataset: { draft: mark.dataset.draftSent } }));
    for (const area of document.querySelectorAll(`textarea[data-draft="${CSS.escape(mark.dataset.draftSent)}"]`)) area.value = area.defaultValue;
  }
  document.addEventListener("submit", (event) => {
    // Signing out forgets everything that was not sent.
    if (event.target.matches("[data-sign-out]")) {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft:")) sessionStorage.removeItem(key);
    }
  });
}

function restore(area) {
  const kept = sessionStorage.getItem(keyOf(area));
  if (kept && !area.value) area.value = kept;
}
