// The live connection: GET <body data-events> as server-sent events.
//
//   case          {id, html, unit, status, assignee, at?}  a case as one rendered row; html "" means it is gone for this viewer
//   counts        {key: number, …}                          the navigation's counters, by NavItem.key
//   notification  {text, href?, unread?, tone?}             one toast, and the bell
//   timeline      {id, case, html}                          one item of an open case's timeline; replaces the one of that id
//   signed-out    {}                                        the session has ended: the page may not stay
//   refresh       {}                                        the server lost track: fetch the list again
//
// Every message is also sent on as a DOM event "desk:<name>" on document, so that a page can listen for its own.
import { Backoff } from "../shared/backoff.js";
import { refreshTimes } from "../shared/times.js";
import { showToast, setUnread, setCount } from "./dialogs_and_toasts.js";

const NAMES = ["case", "counts", "notification", "timeline", "refresh", "signed-out"];

export function startLive(list) {
  const address = document.body.dataset.events;
  if (!address) return;
  const sign = document.querySelector("[data-live]");
  const backoff = new Backoff();
  let source, dropped = false, signTimer, retryTimer;

  const on = {
    case: (data) => list?.take(data),
    counts: (data) => Object.entries(data).forEach(([key, number]) => setCount(key, number)),
    notification(data) {
      if (data.unread !== undefined) setUnread(data.unread);
      // The open case shows by itself what has happened to it.
      if (!data.href || new URL(data.href, location).pathname !== location.pathname) showToast(data.text, data.tone, data.href);
    },
    timeline: takeTimelineItem,
    refresh: () => list?.reload(),
    "signed-out": () => location.reload(),
  };

  function open() {
    source = new EventSource(address);
    source.onopen = () => {
      backoff.reset();
      clearTimeout(signTimer);
      sign.hidden = true;
      // What happened while we were away is in the page, not in the stream.
      if (dropped) {
        list?.reload();
        document.dispatchEvent(new CustomEvent("desk:refresh", { detail: {} }));
      }
      dropped = false;
      document.body.dataset.connected = "yes";
    };
    source.onerror = () => {
      dropped = true;
      delete document.body.dataset.connected;
      // A short hiccup is not worth a word.
      clearTimeout(signTimer);
      signTimer = setTimeout(() => (sign.hidden = false), 1500);
      if (source.readyState === EventSource.CLOSED) {
        // The browser gives up on an HTTP error (a restart, an ended session); we do not.
        clearTimeout(retryTimer);
        retryTimer = setTimeout(open, backoff.next());
      }
    };
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        const data = JSON.parse(message.data);
        on[name](data);
        document.dispatchEvent(new CustomEvent(`desk:${name}`, { detail: data }));
      });
    }
  }

  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}

function takeTimelineItem(data) {
  const timeline = document.querySelector(`[data-timeline="${CSS.escape(data.case)}"]`);
  if (!timeline) return;
  const holder = document.createElement("template");
  holder.innerHTML = data.html;
  const item = holder.content.firstElementChild;
  const known = document.getElementById(data.id);
  if (known) {
    known.replaceWith(item);
  } else {
    const follow = innerHeight + scrollY > document.body.scrollHeight - 160;
    timeline.append(item);
    item.classList.add("z-case-fresh");
    if (follow) item.scrollIntoView({ block: "nearest" });
  }
  refreshTimes(item);
  window.htmx?.process(item);
}
