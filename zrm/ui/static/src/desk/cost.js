// What a text message costs, while it is typed: the arithmetic of zrm/kit/gsm.py, sign for sign (a test holds the two together).
import gsm from "../../../../kit/gsm0338.json";
import { inDigits } from "../shared/times.js";

const BASIC = new Set(gsm.basic.join("").replace(String.fromCharCode(parseInt(gsm.escape, 16)), ""));
const EXTENDED = new Set(Object.values(gsm.extended));
const { alone: ALONE, joined: JOINED } = gsm;

export function cost(text) {
  const signs = [...text];
  const encoding = signs.every((sign) => BASIC.has(sign) || EXTENDED.has(sign)) ? "GSM-7" : "UCS-2";
  const sizes = signs.map((sign) => (encoding === "GSM-7" ? (EXTENDED.has(sign) ? 2 : 1) : sign.length));
  const units = sizes.reduce((sum, size) => sum + size, 0);
  if (units <= ALONE[encoding]) return { encoding, units, segments: signs.length ? 1 : 0, left: ALONE[encoding] - units };
  let segments = 1, filled = 0;
  for (const size of sizes) {
    if (filled + size > JOINED[encoding]) { segments += 1; filled = 0; }
    filled += size;
  }
  return { encoding, units, segments, left: JOINED[encoding] - filled };
}

/** The text as it is sent: trimmed, with plain line ends, and two direction marks for each isolate (zrm/kit/direction.py, in_marks). */
export function asSent(text) {
  const mark = /[\p{Script=Arabic}\p{Script=Hebrew}]/u.test(text) ? "\u200e\u200e" : "";
  return text.trim().replaceAll("\r\n", "\n").replace(/[\u2066-\u2069]/g, mark);
}

/** Writes the cost below the composer whenever its words or its reply route change; only a text message has one. */
export function showCost(composer) {
  const place = composer.querySelector("[data-cost]");
  if (!place) return;
  const route = composer.querySelector("[name=route]").selectedOptions[0];
  place.hidden = !("segments" in (route?.dataset ?? {}));
  if (place.hidden) return;
  const reckoned = cost(asSent(composer.querySelector("textarea").value));
  const words = place.dataset[reckoned.segments === 1 ? "one" : "many"];
  place.querySelector("span").textContent = words
    .replace("#segments", inDigits(reckoned.segments)).replace("#left", inDigits(reckoned.left)).replace("#alphabet", reckoned.encoding);
  place.dataset.units = reckoned.units;
  place.dataset.segments = reckoned.segments;
  place.dataset.left = reckoned.left;
  place.classList.toggle("z-cost-high", reckoned.segments > 3);
  // Nothing written has no alphabet yet; the line keeps its place, so that the first sign moves nothing.
  place.classList.toggle("z-cost-none", reckoned.segments === 0);
}
