// Bundles the interface into the folder named by the first argument; names carry a content hash, manifest.json maps them.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs OUTPUT_FOLDER");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const result = await build({
  entryPoints: { main: "src/main.ts", situation: "src/situation.ts", app: "src/app.css", mark: "src/mark.svg" },
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  outdir: out,
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file", ".svg": "copy" },
  metafile: true,
  logLevel: "warning",
  legalComments: "linked",
});

const manifest = {};
for (const [path, made] of Object.entries(result.metafile.outputs)) {
  const served = relative(out, path);
  if (made.entryPoint) manifest[basename(made.entryPoint)] = served;
  else if (path.endsWith(".woff2")) manifest["inter.woff2"] = served;
}
writeFileSync(`${out}/manifest.json`, JSON.stringify(manifest, null, 1));

// What is shipped of others is shipped with its licence.
const shipped = ["htmx.org", "uplot", "@fontsource-variable/inter"];
const licence = (name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8")}`;
writeFileSync(`${out}/THIRD-PARTY.txt`, shipped.map(licence).join(`\n${"-".repeat(72)}\n`));

// Served compressed without work per request: aiohttp sends NAME.gz to whoever accepts it.
for (const name of readdirSync(out)) {
  if (/\.(js|css|svg)$/.test(name)) writeFileSync(`${out}/${name}.gz`, gzipSync(readFileSync(`${out}/${name}`), { level: 9 }));
}
