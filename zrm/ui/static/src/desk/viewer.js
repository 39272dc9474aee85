// A photo in large: a click on its small picture opens it here, arrow keys lead through all of the case, r turns, Esc closes.
// Without a script, and with Ctrl, it opens in a tab of its own as every file does.
export function startViewer() {
  const dialog = document.getElementById("viewer");
  if (!dialog) return;
  const image = dialog.querySelector("img"), name = dialog.querySelector("h2 bdi"), link = dialog.querySelector(".z-dialog-head a");
  const pictures = () => [...document.querySelectorAll("a[data-picture]")];
  let shown, turns = 0;

  function show(picture) {
    if (!picture) return;
    shown = picture.href;
    image.src = link.href = picture.href;
    image.alt = name.textContent = picture.dataset.picture;
    turn(-turns);
    const all = pictures(), at = all.findIndex((one) => one.href === shown);
    dialog.querySelector("[data-viewer=previous]").disabled = at <= 0;
    dialog.querySelector("[data-viewer=next]").disabled = at >= all.length - 1;
    if (!dialog.open) dialog.showModal();
  }

  function step(by) {
    const all = pictures();
    show(all[all.findIndex((one) => one.href === shown) + by]);
  }

  function turn(by) {
    turns = (turns + by) % 4;
    image.dataset.turns = turns;
  }

  document.addEventListener("click", (event) => {
    const picture = event.target.closest("a[data-picture]");
    if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(picture);
  });
  dialog.addEventListener("click", (event) => {
    const act = { previous: () => step(-1), next: () => step(1), turn: () => turn(1) }[event.target.closest("[data-viewer]")?.dataset.viewer];
    act?.();
  });
  // On the document: a button that has just been disabled hears no keys.
  document.addEventListener("keydown", (event) => {
    if (!dialog.open) return;
    const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === forward ? 1 : -1);
    else if (event.code === "KeyR" && !event.ctrlKey && !event.metaKey) turn(1);
    else return;
    event.preventDefault();
  });
}
