// Bundles what the browser loads into zrm/ui/static/build/, under names that carry a hash of their content.
//
//   zrm/ui/static/src/*.js, *.css   every file directly in this folder is an entry; what it imports may lie anywhere
//   zrm/ui/static/src/icons.txt     names of Tabler icons, one a line ("name" or "filled/name"), made into one sprite:
//                                    <svg><use href="…/icons-<hash>.svg#name"></use></svg>; filled ones are "#name-filled"
//   zrm/ui/static/src/*.svg         pictures that pages name directly, such as the favicon
//   tabler.css, tabler.rtl.css       Tabler's own sheets, entries of their own: a page loads the one of its direction;
//                                    only the rules for elements, classes and attributes that our templates and scripts name
//   *.woff2                          of the fonts only the letters that ui/fonts.css says each part has, in the weights used
//   *.br, *.gz                       each text beside itself, compressed as well as can be (zrm/http/assets.py)
//
// build/manifest.json maps "app.css" to "app-<hash>.css", for every file written (fonts and images by their own names).
// A build that fails leaves the last good one in place.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { PurgeCSS } from "purgecss";
import subsetFont from "subset-font";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const src = join(root, "zrm/ui/static/src");
const build = join(root, "zrm/ui/static/build");
const fresh = `${build}.new`;
const old = `${build}.old`;

const VENDOR = {
  tabler: "node_modules/@tabler/core/dist/css/tabler.min.css",
  "tabler.rtl": "node_modules/@tabler/core/dist/css/tabler.rtl.min.css",
};
const AS_FILE = [".woff2", ".woff", ".ttf", ".svg", ".png", ".jpg", ".webp", ".ico", ".mp3", ".wav"];

const WEIGHTS = { min: 400, max: 750 };
// The letters of each part of the font; the same ranges stand in ui/fonts.css, which is what browsers go by.
const LETTERS = {
  arabic: [[0x600, 0x6ff], [0x200c, 0x200e], [0x2010, 0x2011]],
  latin: [[0x20, 0x7e], [0xa0, 0xff], [0x2010, 0x2027], [0x2030, 0x203a], [0x20ac, 0x20ac], [0x2122, 0x2122], [0x2190, 0x2193], [0x2212, 0x2212]],
  "latin-ext": [[0x100, 0x2af], [0x1e00, 0x1eff], [0x20a0, 0x20ab], [0x20ad, 0x20c0]],
};

/** esbuild's way to the fonts: each comes with its letters and weights alone. */
const smallFonts = {
  name: "small fonts",
  setup(build) {
    build.onLoad({ filter: /vazirmatn-[a-z-]+-wght-normal\.woff2$/ }, async ({ path }) => {
      const part = basename(path).replace(/^vazirmatn-|-wght-normal\.woff2$/g, "");
      let text = "";
      for (const [first, last] of LETTERS[part]) for (let sign = first; sign <= last; sign++) text += String.fromCodePoint(sign);
      const options = { targetFormat: "woff2", variationAxes: { wght: WEIGHTS } };
      return { contents: await subsetFont(await readFile(path), text, options), loader: "file" };
    });
  },
};

/** esbuild's way to Tabler's sheets: without the rules that nothing of ours can meet. */
const usedTabler = {
  name: "used Tabler",
  setup(build) {
    build.onLoad({ filter: /tabler(\.rtl)?\.min\.css$/ }, async ({ path }) => {
      const [{ css }] = await new PurgeCSS().purge({
        content: [join(root, "zrm/**/templates/**/*.html"), join(src, "**/*.js")],
        css: [path],
        dynamicAttributes: ["data-bs-theme"],
        keyframes: true,
        variables: true,
      });
      return { contents: css, loader: "css" };
    });
  },
};

async function entries() {
  const own = (await readdir(src)).filter((name) => /\.(js|css)$/.test(name)).sort();
  return [
    ...own.map((name) => ({ in: join(src, name), out: name.replace(/\.(js|css)$/, "") })),
    ...Object.entries(VENDOR).map(([out, from]) => ({ in: join(root, from), out })),
  ];
}

/** The name a file is asked for by: entries keep theirs, everything else loses the hash again. */
function wantedName(output) {
  return basename(output).replace(/-[A-Z0-9]{8}(\.[a-z0-9]+)$/, "$1");
}

/** One SVG of symbols for the icons named in icons.txt; an unknown name fails the build. */
async function sprite() {
  const list = join(src, "icons.txt");
  if (!existsSync(list)) return null;
  const names = (await readFile(list, "utf8"))
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);
  const symbols = [];
  for (const name of [...new Set(names)].sort()) {
    const filled = name.startsWith("filled/");
    const plain = name.replace("filled/", "");
    const file = join(root, "node_modules/@tabler/icons/icons", filled ? "filled" : "outline", `${plain}.svg`);
    if (!existsSync(file)) throw new Error(`icons.txt: Tabler has no ${filled ? "filled " : ""}icon "${plain}"`);
    const body = (await readFile(file, "utf8"))
      .replace(/<!--[^]*?-->/g, "")
      .replace(/^[^]*?<svg[^>]*>/, "")
      .replace(/<\/svg>[^]*$/, "")
      .replace(/<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*\/>/, "")
      .replace(/\s*\n\s*/g, "");
    const paint = filled
      ? 'fill="currentColor"'
      : 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
    symbols.push(`<symbol id="${plain}${filled ? "-filled" : ""}" viewBox="0 0 24 24" ${paint}>${body}</symbol>`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
}

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });

const result = await esbuild.build({
  absWorkingDir: root,
  entryPoints: await entries(),
  outdir: fresh,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  format: "iife",
  target: ["es2020", "chrome90", "firefox90", "safari14.1"],
  minify: true,
  legalComments: "eof",
  metafile: true,
  plugins: [smallFonts, usedTabler],
  logLevel: "warning",
  loader: Object.fromEntries(AS_FILE.map((ending) => [ending, "file"])),
}).catch(() => process.exit(1)); // esbuild has already said what is wrong and where

const manifest = {};
for (const output of Object.keys(result.metafile.outputs)) {
  const name = wantedName(output);
  if (name in manifest) throw new Error(`two built files want the name ${name}: ${manifest[name]} and ${basename(output)}`);
  manifest[name] = basename(output);
}
/** Writes a finished file under a name with its hash. */
async function place(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  manifest[name] = name.replace(/(\.[a-z]+)$/, `-${hash}$1`);
  await writeFile(join(fresh, manifest[name]), content);
}

for (const name of (await readdir(src)).filter((name) => name.endsWith(".svg"))) await place(name, await readFile(join(src, name)));
const icons = await sprite();
if (icons !== null) await place("icons.svg", icons);

for (const name of Object.values(manifest).filter((name) => /\.(css|js|svg)$/.test(name))) {
  const content = await readFile(join(fresh, name));
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  for (const [ending, packed] of [[".br", brotliCompressSync(content, best)], [".gz", gzipSync(content, { level: 9 })]]) {
    if (packed.length < content.length) await writeFile(join(fresh, name + ending), packed);
  }
}

const sorted = Object.fromEntries(Object.entries(manifest).sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(join(fresh, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);

await rm(old, { recursive: true, force: true });
if (existsSync(build)) await rename(build, old);
await rename(fresh, build);
await rm(old, { recursive: true, force: true });
console.log(`assets: ${Object.keys(manifest).length} files in ${build.slice(root.length + 1)}`);
