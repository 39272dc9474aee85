// Copy buttons: <button data-copy="text" data-copied="Copied" hidden>. Shown only where copying can work.
export function startCopying(root = document) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.querySelector("span") ?? button;
    const before = label === button ? button.getAttribute("aria-label") : label.textContent;
    const show = (text) => (label === button ? button.setAttribute("aria-label", text) : (label.textContent = text));
    show(button.dataset.copied);
    button.classList.add("z-copied");
    setTimeout(() => { show(before); button.classList.remove("z-copied"); }, 2000);
  });
}
