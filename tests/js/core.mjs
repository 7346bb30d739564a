// The core as the page gets it: its text, not an import of a file (it has no package.json).
import { readFileSync } from "node:fs";

const path = new URL("../../esnb/widgets/static/core.js", import.meta.url);
const text = readFileSync(path, "utf8");
export const core = await import(`data:text/javascript,${encodeURIComponent(text)}`);
