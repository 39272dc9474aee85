// The browser's back button shows a sent form with its words, but the page is fetched anew and has a new identity.
// Sent again unchanged it must be the same contact: the forms keep the identities they had at this place of the history.
export function keepIdentities() {
  const fields = [...document.querySelectorAll("input[name=form_id]")];
  if (!fields.length) return;
  const [navigation] = performance.getEntriesByType("navigation");
  const before = navigation?.type === "back_forward" ? history.state?.identities : undefined;
  if (before?.length === fields.length) fields.forEach((field, place) => { field.value = before[place]; });
  else history.replaceState({ ...history.state, identities: fields.map((field) => field.value) }, "");
}
