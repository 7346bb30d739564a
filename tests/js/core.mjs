// A view and the modules it imports as the page gets them: put together as text, because there is no
// package.json, and node would take the files for something else.
import { readFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`../../esnb/course/widgets/static/${name}.js`, import.meta.url), "utf8");
const IMPORT = /^import [^;]+ from "\.\/(\w+)\.js";\n/gm;

export async function load(view) {
  const texts = new Map();
  const add = (name) => {
    const text = read(name);
    for (const [, needed] of text.matchAll(IMPORT)) if (!texts.has(needed)) add(needed);
    texts.set(name, text.replace(IMPORT, ""));
  };
  add(view);
  return import(`data:text/javascript,${encodeURIComponent([...texts.values()].join("\n"))}`);
}

export const core = await load("film");
