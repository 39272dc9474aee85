// The keyboard. A key presses the visible element that names it: data-key="c", or two strokes, data-key="g q".
// Keys belong to places on the keyboard (event.code), so they work the same with a Persian layout.
const SEQUENCE_TIME = 1200;
let prefix = "", prefixTimer;

export function startKeyboard() {
  document.addEventListener("keydown", onKey);
}

/** Every element that a key or the palette can press, in the order of the page. */
export function commands() {
  return [...document.querySelectorAll("[data-key], [data-palette]")].filter((element) => usable(element));
}

export function press(element) {
  if (element.matches("input:not([type=submit]), textarea, select")) {
    element.focus();
    element.scrollIntoView({ block: "nearest" });
  } else {
    element.click();
  }
}

function usable(element) {
  // Links of the closed drawer and menu still count: the keyboard is how one gets to them.
  return !element.disabled && !element.closest("[hidden], template, dialog:not([open])");
}

function stroke(event) {
  if (event.key === "?" || event.key === "؟") return "?";
  if (event.key === "/" ) return "/";
  if (event.code.startsWith("Key")) return (event.shiftKey ? "Shift+" : "") + event.code.slice(3).toLowerCase();
  if (event.code.startsWith("Digit")) return event.code.slice(5);
  return event.key;
}

function onKey(event) {
  if (event.defaultPrevented || event.isComposing) return;
  // A field of a dialog that has just closed keeps the focus until the next frame is drawn: nobody types there any more.
  const typing = !event.target.closest("dialog:not([open])")
    && event.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
  const control = event.ctrlKey || event.metaKey;
  if (control && event.code === "KeyK") {
    event.preventDefault();
    document.dispatchEvent(new CustomEvent("desk:palette"));
  } else if (control && event.key === "Enter" && event.target.form) {
    event.preventDefault();
    event.target.form.requestSubmit();
  } else if (event.key === "Escape" && typing && !event.target.closest("dialog")) {
    event.target.blur();
  } else if (!typing && !control && !event.altKey && !document.querySelector("dialog[open]")) {
    onStroke(event, stroke(event));
  }
}

function onStroke(event, key) {
  const keys = prefix ? `${prefix} ${key}` : key;
  clearTimeout(prefixTimer);
  prefix = "";
  const target = commands().find((element) => element.dataset.key === keys);
  const act = target ? () => press(target) : BUILT_IN[keys];
  if (act && !(key === "Enter" && event.target.closest("a, button, summary"))) {
    event.preventDefault();
    act();
  } else if (commands().some((element) => element.dataset.key?.startsWith(`${keys} `))) {
    event.preventDefault();
    prefix = keys;
    prefixTimer = setTimeout(() => (prefix = ""), SEQUENCE_TIME);
  }
}

const tell = (name, detail) => () => document.dispatchEvent(new CustomEvent(name, { detail }));
const BUILT_IN = {
  j: tell("desk:move", 1),
  k: tell("desk:move", -1),
  o: tell("desk:open"),
  Enter: tell("desk:open"),
  "?": tell("desk:keys"),
};
