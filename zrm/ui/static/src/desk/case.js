// An open case: when it changes, its parts are fetched again and put in place; what is being typed, played or read stays.
import { Backoff } from "../shared/backoff.js";
import { refreshTimes } from "../shared/times.js";
import { refreshComposer, startComposer } from "./composer.js";
import { startPlace } from "./place.js";
import { startViewer } from "./viewer.js";

const PARTS = ["live-status", "live-tools", "live-aside", "live-outcome"];

/** Back leads to the list this tab showed last, a queue or what a search found; in a tab of its own, to where it was opened. */
function startBack() {
  const back = document.querySelector("[data-back]"), list = sessionStorage.getItem("list");
  const from = new URL(document.referrer || location.href);
  if (list) back.href = list;
  else if (from.origin === location.origin && /^\/desk\/(queue\/|search$)/.test(from.pathname)) back.href = from.href;
}

export function startCase() {
  document.addEventListener("toggle", openFrame, true);
  startComposer();
  const page = document.querySelector("[data-case-page]");
  if (!page) return;
  for (const item of page.querySelectorAll("#live-timeline > [id]")) item.dataset.drawn = drawing(item);
  startEarlier(page);
  startPlace(page);
  startViewer();
  startBack();
  const backoff = new Backoff();
  let busy = false, again = false, timer;

  async function renew() {
    if (busy) { again = true; return; }
    busy = true;
    clearTimeout(timer);
    try {
      do {
        again = false;
        const done = new URLSearchParams(location.search).get("done");
        const address = location.pathname + (done ? `?done=${encodeURIComponent(done)}` : "");
        const answer = await fetch(address, { headers: { Accept: "text/html" } });
        if (answer.redirected || answer.status === 404) return location.reload();
        if (!answer.ok) throw new Error(answer.statusText);
        take(page, new DOMParser().parseFromString(await answer.text(), "text/html"));
        backoff.reset();
      } while (again);
    } catch {
      // The live connection says so if we are offline. What is shown is behind, and nothing else may come to say so.
      timer = setTimeout(renew, backoff.next());
    } finally {
      busy = false;
    }
  }

  document.addEventListener("desk:case", (event) => {
    if (event.detail.id === page.dataset.casePage) renew();
  });
  document.addEventListener("desk:refresh", renew);
  // An entry in use was left as it was: once it is let go, it is brought up to date.
  for (const end of ["focusout", "pause", "toggle"]) {
    page.addEventListener(end, (event) => {
      const entry = event.target.closest("[data-behind]");
      // Where the focus goes is known only afterwards.
      if (entry) setTimeout(() => inUse(entry) || renew());
    }, true);
  }
}

function take(page, fresh) {
  const there = fresh.querySelector("[data-case-page]");
  if (!there) return;
  const changed = there.dataset.version !== page.dataset.version;
  page.dataset.version = there.dataset.version;
  // Each page masks the token of its forms anew; that alone changes nothing.
  for (const field of fresh.querySelectorAll("input[name=csrf_token]")) field.setAttribute("value", document.body.dataset.csrf);
  for (const id of PARTS) replace(document.getElementById(id), fresh.getElementById(id));
  takeOutcome(document.querySelector("[data-outcome]"), fresh.querySelector("[data-outcome]"));
  mergeTimeline(document.getElementById("live-timeline"), fresh.getElementById("live-timeline"));
  const typed = document.querySelector("#composer textarea")?.value.trim();
  if (changed && typed) document.querySelector("[data-changed-notice]").hidden = false;
  const chosen = document.querySelector("#composer [name=files]")?.files.length;
  if (!typed && !chosen) {
    replace(document.getElementById("live-composer"), fresh.getElementById("live-composer"));
    refreshComposer();
  }
  // Every form now speaks of what is on the screen.
  const version = there.dataset.version;
  for (const field of document.querySelectorAll("input[name=version]")) field.value = version;
}

/** What was just done is said only as long as it holds. */
function takeOutcome(old, fresh) {
  if (!old || old.contains(document.activeElement)) return;
  if (fresh) old.dataset.outcome = fresh.dataset.outcome;
  else old.remove();
}

function replace(old, fresh) {
  if (!old || !fresh || old.innerHTML === fresh.innerHTML || old.contains(document.activeElement)) return;
  old.replaceChildren(...document.importNode(fresh, true).childNodes);
  for (const button of old.querySelectorAll("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
  refreshTimes(old);
}

/** Puts new entries in and changes those that differ; a recording that plays and a frame that is open are left alone.
 *  A page has the newest entries only: the earlier ones that were loaded are not in the fresh one, and stay. */
function mergeTimeline(old, fresh) {
  if (!old || !fresh) return;
  const items = [...fresh.children].filter((item) => !item.matches(".z-earlier"));
  const joint = items.map((item) => document.getElementById(item.id)).find((item) => item);
  // So much is new that nothing joins on to what is here: the step to what lies between comes along.
  if (!joint) items.unshift(...fresh.querySelectorAll(".z-earlier"));
  let before = null;
  for (const item of items) {
    const known = item.id && document.getElementById(item.id), drawn = drawing(item);
    let placed = known;
    if (!known) {
      placed = document.importNode(item, true);
      placed.classList.add("z-case-fresh");
      if (before) before.after(placed); else if (joint) joint.before(placed); else old.append(placed);
      window.htmx?.process(placed);
    } else if (known.dataset.drawn === drawn) {
      delete known.dataset.behind;
    } else if (inUse(known)) {
      known.dataset.behind = "";
      before = known;
      continue;
    } else {
      placed = document.importNode(item, true);
      known.replaceWith(placed);
    }
    placed.dataset.drawn = drawn;
    before = placed;
  }
  refreshTimes(old);
}

/** Earlier entries are put in where the step to them stood; what was read stays in its place, the focus goes to them. */
function startEarlier(page) {
  let reading, top;
  const isStep = (link) => link?.matches?.(".z-earlier a");
  page.addEventListener("htmx:before:response", (event) => {
    const { sourceElement: link, response } = event.detail.ctx;
    if (!isStep(link) || (response.raw.ok && !response.raw.redirected)) return;
    // An ended session, a case that was handed over: the page that says so is the honest answer.
    event.preventDefault();
    location.assign(link.href);
  });
  page.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks: [{ fragment }] } = event.detail;
    if (!isStep(ctx.sourceElement)) return;
    const here = [...fragment.children].filter((item) => item.id && document.getElementById(item.id));
    // What lay between is closed: there is no step further.
    if (here.length) for (const item of [...here, ...fragment.querySelectorAll(".z-earlier")]) item.remove();
    reading = ctx.sourceElement.closest("li").nextElementSibling;
    top = reading.getBoundingClientRect().top;
  });
  page.addEventListener("htmx:after:swap", () => {
    if (!reading) return;
    scrollBy({ top: reading.getBoundingClientRect().top - top, behavior: "instant" });
    const newest = reading.previousElementSibling;
    newest.tabIndex = -1;
    newest.focus({ preventScroll: true });
    refreshTimes(page);
    reading = null;
  });
}

/** The entry as the server drew it, without the words that shared/times.js keeps true: they are others at each moment. */
function drawing(item) {
  const copy = item.cloneNode(true);
  for (const time of copy.querySelectorAll("time[data-ago]")) time.textContent = "";
  return copy.outerHTML;
}

function inUse(item) {
  return item.contains(document.activeElement) || item.querySelector("iframe, details[open]:not(.z-delivery)")
    || [...item.querySelectorAll("audio")].some((audio) => !audio.paused);
}

/** A citizen's HTML is fetched only when somebody wants to see it, into a frame that can do nothing. */
function openFrame(event) {
  const details = event.target;
  if (!details.open || !details.dataset?.frame || details.querySelector("iframe")) return;
  const frame = document.createElement("iframe");
  frame.className = "z-frame";
  frame.setAttribute("sandbox", "");
  frame.setAttribute("referrerpolicy", "no-referrer");
  frame.title = details.querySelector("summary").textContent;
  frame.src = details.dataset.frame;
  details.querySelector("div").append(frame);
}
