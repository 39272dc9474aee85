// The open list of cases. Rows come, change and go while somebody reads; nothing moves under the reader:
// a changed row stays in its place, a row that no longer belongs fades but stays until the list is fetched again,
// and new rows wait behind a pill when the reader has scrolled or points at the list, about to click.
import { inDigits, refreshTimes } from "../shared/times.js";

export function startCaseList() {
  const list = document.querySelector("[data-case-list]");
  return list ? new CaseList(list) : null;
}

class CaseList {
  constructor(list) {
    this.list = list;
    this.waiting = new Map();
    this.picked = null;
    this.pill = document.getElementById("new-cases").content.firstElementChild.cloneNode(true);
    this.pill.hidden = true;
    this.list.before(this.pill);
    this.pill.addEventListener("click", () => { this.showWaiting(); scrollTo({ top: 0 }); });
    this.list.addEventListener("pointerleave", () => this.scrolled() || this.showWaiting());
    document.addEventListener("desk:move", (event) => this.move(event.detail));
    document.addEventListener("desk:open", () => this.row(this.picked)?.querySelector("a").click());
    this.list.addEventListener("focusin", (event) => this.pick(event.target.closest("[data-case]"), false));
    sessionStorage.setItem("list", location.pathname + location.search);
    const back = sessionStorage.getItem("picked-case");
    if (back && this.row(back)) this.pick(this.row(back), false);
  }

  rows() { return [...this.list.querySelectorAll("[data-case]")]; }
  row(id) { return id ? document.getElementById(`case-${id}`) : null; }

  /** One `case` event. */
  take(data) {
    const old = this.row(data.id);
    const wanted = Boolean(data.html) && this.belongs(data);
    if (old && !wanted) old.classList.add("z-case-gone");
    else if (old) this.replace(old, parse(data.html));
    else if (!wanted) this.waiting.delete(data.id);
    else if (this.scrolled() || this.pointedAt()) this.waiting.set(data.id, data.html);
    else this.insert(parse(data.html));
    this.showPill();
  }

  belongs(data) {
    for (const name of ["unit", "status", "assignee"]) {
      const allowed = this.list.getAttribute(`data-match-${name}`);
      if (allowed === null) continue;
      const value = data[name] ?? "";
      if (value === "" ? allowed !== "" : !allowed.split(" ").includes(String(value))) return false;
    }
    return true;
  }

  scrolled() { return this.list.getBoundingClientRect().top < 0; }
  pointedAt() { return matchMedia("(hover: hover)").matches && this.list.matches(":hover"); }

  replace(old, fresh) {
    const focused = old.contains(document.activeElement);
    old.replaceWith(fresh);
    this.settle(fresh);
    if (fresh.dataset.case === this.picked) fresh.classList.add("z-picked");
    if (focused) fresh.querySelector("a")?.focus({ preventScroll: true });
  }

  insert(fresh) {
    const after = this.rows().find((row) => row.dataset.sort < fresh.dataset.sort);
    this.list.insertBefore(fresh, after ?? null);
    document.querySelector("[data-empty-list]")?.remove();
    this.settle(fresh);
    const limit = Number(this.list.dataset.limit);
    const rows = this.rows();
    for (const row of rows.slice(limit)) if (row.dataset.case !== this.picked) row.remove();
  }

  settle(row) {
    row.classList.add("z-case-fresh");
    row.addEventListener("animationend", () => row.classList.remove("z-case-fresh"), { once: true });
    refreshTimes(row);
    window.htmx?.process(row);
  }

  showPill() {
    const count = this.waiting.size;
    this.pill.hidden = count === 0;
    const button = this.pill.querySelector("button");
    button.textContent = button.dataset.text.replace("#", inDigits(count));
  }

  showWaiting() {
    for (const html of this.waiting.values()) this.insert(parse(html));
    this.waiting.clear();
    this.showPill();
  }

  /** Fetches this very page again and takes its list over, keeping the picked row and the scroll position. */
  async reload() {
    let answer;
    try {
      answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    } catch {
      return; // Still offline: the live connection calls again when it is back.
    }
    // An ended session answers with the sign-in page: going there is the honest thing.
    if (answer.redirected || !answer.ok) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-case-list]");
    if (!fresh) return location.reload();
    const top = scrollY;
    this.list.replaceChildren(...document.importNode(fresh, true).childNodes);
    this.waiting.clear();
    this.showPill();
    if (this.row(this.picked)) this.pick(this.row(this.picked), false);
    window.htmx?.process(this.list);
    scrollTo({ top });
  }

  move(step) {
    const rows = this.rows();
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.dataset.case === this.picked);
    const next = here < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, here + step));
    this.pick(rows[next], true);
  }

  pick(row, focus) {
    if (!row) return;
    this.row(this.picked)?.classList.remove("z-picked");
    this.picked = row.dataset.case;
    sessionStorage.setItem("picked-case", this.picked);
    row.classList.add("z-picked");
    if (focus) {
      row.querySelector("a")?.focus({ preventScroll: true });
      row.scrollIntoView({ block: "nearest" });
    }
  }
}

function parse(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}
