// A list of work (data-work: the key of its number in the navigation) is fetched anew once that number may have changed,
// unless somebody is writing in it.
import { refreshTimes } from "../shared/times.js";

export function startWorkList() {
  const list = document.querySelector("[data-work]");
  if (!list) return;
  const writing = () => [...list.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value.trim());
  document.addEventListener("desk:counts", async ({ detail }) => {
    if (!(list.dataset.work in detail) || writing()) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || answer.redirected || writing()) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-work]");
    if (!fresh || list.contains(document.activeElement)) return;
    list.replaceChildren(...fresh.childNodes);
    refreshTimes(list);
  });
}
