// The pure modules as the page gets them: put together as text, not as files that import each other
// (there is no package.json).
import { readFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`../../esnb/widgets/static/${name}.js`, import.meta.url), "utf8");
const text = ["core", "film"].map(read).join("\n").replace(/^import [^;]+;\n/gm, "");

export const core = await import(`data:text/javascript,${encodeURIComponent(text)}`);
