// Print buttons: <button data-print hidden>. Shown only where a script can print.
export function startPrinting(root = document) {
  for (const button of root.querySelectorAll("[data-print][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}
