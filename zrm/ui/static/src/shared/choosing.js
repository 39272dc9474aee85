// File fields drawn by the page (macro file_field) tell which files were chosen; without a script the browser does.
export function startChoosing() {
  document.addEventListener("change", (event) => {
    const field = event.target.closest(".z-choose input[type=file]");
    const place = field?.parentElement.querySelector("[data-chosen]");
    if (!place) return;
    const names = [...field.files].map((file) => file.name);
    place.textContent = names.length ? names.join(document.documentElement.dataset.comma) : place.dataset.chosen;
    place.title = names.join("\n");
  });
}
