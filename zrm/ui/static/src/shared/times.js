// Keeps "3 minutes ago" true. The words and limits are those of zrm/ui/calendars.py: after a week the server's date stays.
const MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 7 * DAY;
const { locale, justNow } = document.documentElement.dataset;
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "always" });

function words(seconds) {
  const size = Math.abs(seconds), sign = Math.sign(seconds);
  if (size < 45) return justNow;
  if (size < HOUR) return relative.format(sign * Math.max(1, Math.floor(size / MINUTE)), "minute");
  if (size < DAY) return relative.format(sign * Math.floor(size / HOUR), "hour");
  if (size < WEEK) return relative.format(sign * Math.floor(size / DAY), "day");
  return null;
}

/** Rewrites every <time data-ago> below `root`. */
export function refreshTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-ago]")) {
    const text = words((Date.parse(time.dateTime) - Date.now()) / 1000);
    if (text !== null && text !== time.textContent) time.textContent = text;
  }
}

export function startTimes() {
  setInterval(() => refreshTimes(), 30_000);
  document.addEventListener("visibilitychange", () => document.hidden || refreshTimes());
}

/** A number in the page's digits. */
export function inDigits(number) {
  return new Intl.NumberFormat(locale, { useGrouping: false }).format(number);
}
