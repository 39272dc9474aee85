// The desk in the browser. Pages are whole without it; this adds live rows, the keyboard and comfort.
import "htmx.org"; // sets window.htmx
import { startCase } from "./desk/case.js";
import { startCaseList } from "./desk/caselist.js";
import { startDrafts } from "./desk/drafts.js";
import { startKeyboard } from "./desk/keyboard.js";
import { startLive } from "./desk/live.js";
import { startDialogsAndToasts } from "./desk/dialogs_and_toasts.js";
import { startPalette } from "./desk/palette.js";
import { startWorkList } from "./desk/worklist.js";
import { startAddress } from "./shared/address.js";
import { startTimes } from "./shared/times.js";
import { startChoosing } from "./shared/choosing.js";
import { startCopying } from "./shared/copying.js";
import { startPrinting } from "./shared/printing.js";

startAddress();
startTimes();
startCopying();
startPrinting();
startChoosing();
startDialogsAndToasts();
startPalette();
startKeyboard();
startDrafts();
startCase();
startWorkList();
startLive(startCaseList());
