// Where a case opens and where it stays: at the first entry not read yet, else at the newest; after a step where it was.
// And for how long the last step can be taken back: the server decides, this only counts along.
import { inDigits } from "../shared/times.js";

const KEPT = "case-place";

export function startPlace(page) {
  addEventListener("submit", (event) => {
    if (event.target.action?.startsWith(`${location.origin}/desk/cases/`)) keep(page.dataset.casePage);
  });
  const kept = taken(page.dataset.casePage);
  const open = () => location.hash || (kept ? restore(kept) : openAt(page));
  open();
  // The fonts come late and make lines longer or shorter. A reader who has already scrolled keeps their
  // place; the browser does not scroll by itself meanwhile, so any scrolling is the reader's.
  const opened = scrollY, root = document.documentElement;
  root.style.overflowAnchor = "none";
  document.fonts.ready.then(() => {
    root.style.overflowAnchor = "";
    if (scrollY === Math.min(opened, root.scrollHeight - innerHeight)) open();
  });
  for (const form of document.querySelectorAll("[data-undo-seconds]")) count(form);
}

/** The entry that is read now, and how far below the window's top it stands. */
function keep(id) {
  const item = entries().find((one) => one.getBoundingClientRect().bottom > 0);
  if (item) sessionStorage.setItem(KEPT, JSON.stringify({ id, item: item.id, top: item.getBoundingClientRect().top }));
}

/** The place that was kept for this case, taken out; after an answer none, for what was just sent is looked at. */
function taken(id) {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  sessionStorage.removeItem(KEPT);
  const here = kept?.id === id && new URLSearchParams(location.search).get("done") !== "reply";
  return here && document.getElementById(kept.item) ? kept : null;
}

function restore(kept) {
  const item = document.getElementById(kept.item);
  scrollBy({ top: item.getBoundingClientRect().top - kept.top, behavior: "instant" });
}

function openAt(page) {
  const unread = document.getElementById(page.dataset.firstUnread ?? ""), newest = entries().at(-1);
  if (!document.getElementById("live-timeline") || !newest) return;
  const head = document.querySelector(".z-top").getBoundingClientRect().height;
  const room = innerHeight - head - (document.querySelector(".z-dock")?.getBoundingClientRect().height ?? 0);
  const target = unread ?? newest;
  // All that is new fits below the head: then the end of it stands above the composer, else its beginning below the head.
  const tall = newest.getBoundingClientRect().bottom - target.getBoundingClientRect().top > room;
  target.classList.toggle("z-unread-here", Boolean(unread) && unread !== entries()[0]);
  if (tall) scrollBy({ top: target.getBoundingClientRect().top - head - 16, behavior: "instant" });
  else scrollBy({ top: newest.getBoundingClientRect().bottom - head - room, behavior: "instant" });
}

function entries() {
  return [...document.querySelectorAll(".z-timeline > .z-item[id]")];
}

function count(form) {
  // The page's own age counts, not this machine's clock, which may be wrong.
  const ends = performance.now() + Number(form.dataset.undoSeconds) * 1000;
  const shown = form.querySelector("[data-seconds]");
  const tick = () => {
    const left = Math.ceil((ends - performance.now()) / 1000);
    if (left <= 0) return form.remove();
    shown.textContent = inDigits(left);
    setTimeout(tick, 250);
  };
  tick();
}
