// The palette (Ctrl+K) and the help (?): both list what the page declares with data-key, data-palette and data-label.
import { commands, press } from "./keyboard.js";
import { openDialog } from "./dialogs_and_toasts.js";

export function startPalette() {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const input = dialog.querySelector("input"), list = dialog.querySelector("ul"), none = dialog.querySelector(".z-state");
  let shown = [], at = 0;

  function draw() {
    const words = fold(input.value).split(/\s+/).filter(Boolean);
    shown = commands().filter((command) => words.every((word) => fold(labelOf(command)).includes(word)));
    at = 0;
    list.replaceChildren(...shown.map(item));
    none.hidden = shown.length > 0;
    point(0);
  }

  function item(command, index) {
    const line = document.createElement("li");
    line.id = `command-${index}`;
    line.setAttribute("role", "option");
    const drawing = command.querySelector("svg")?.cloneNode(true);
    if (drawing) line.append(drawing);
    const label = document.createElement("span");
    label.textContent = labelOf(command);
    const chord = document.createElement("span");
    chord.className = "z-chord";
    chord.append(...keysOf(command));
    line.append(label, chord);
    line.addEventListener("click", () => run(index));
    return line;
  }

  function point(to) {
    at = Math.max(0, Math.min(shown.length - 1, to));
    [...list.children].forEach((line, index) => line.setAttribute("aria-selected", String(index === at)));
    input.setAttribute("aria-activedescendant", shown.length ? `command-${at}` : "");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function run(index) {
    const command = shown[index];
    // The next key is for the page, not for a field that is no longer seen.
    input.blur();
    dialog.close();
    if (command) press(command);
  }

  input.addEventListener("input", draw);
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); point(at + step); }
    if (event.key === "Enter") { event.preventDefault(); run(at); }
  });
  document.addEventListener("desk:palette", () => {
    if (dialog.open) return dialog.close();
    input.value = "";
    openDialog(dialog);
    draw();
    input.focus();
  });

  document.addEventListener("desk:keys", () => {
    const help = document.getElementById("keys"), table = help.querySelector("dl");
    table.querySelectorAll("[data-page]").forEach((line) => line.remove());
    const listed = new Set([...table.querySelectorAll("dt")].map((term) => term.textContent));
    for (const command of commands().filter((command) => command.dataset.key)) {
      const term = document.createElement("dt"), meaning = document.createElement("dd");
      term.dataset.page = meaning.dataset.page = "";
      term.append(...keysOf(command));
      meaning.textContent = labelOf(command);
      if (listed.has(term.textContent)) continue;
      listed.add(term.textContent);
      table.append(term, meaning);
    }
    openDialog(help);
  });
}

function keysOf(command) {
  return (command.dataset.key ?? "").split(" ").filter(Boolean).map((key) => {
    const cap = document.createElement("kbd");
    cap.className = "z-kbd";
    cap.textContent = key;
    return cap;
  });
}

function labelOf(command) {
  return command.dataset.label || command.getAttribute("aria-label") || command.textContent.trim();
}

/** Case, Arabic letter forms and the zero-width non-joiner do not matter when looking for a command. */
function fold(text) {
  return text.toLowerCase().replace(/ي/g, "ی").replace(/ك/g, "ک").replace(/\u200c/g, " ").trim();
}
