// Race's module as the page gets it: the core in front of it, as text.
import { readFileSync } from "node:fs";

const read = (name) =>
  readFileSync(new URL(`../../esnb/widgets/static/${name}`, import.meta.url), "utf8");
const core = read("core.js").replace(/^export (?=const |function )/gm, "");
const view = read("race.js").replace(/^import [^;]+ from "\.\/core\.js";\n/m, "");
export const race = await import(`data:text/javascript,${encodeURIComponent(`${core}\n${view}`)}`);
