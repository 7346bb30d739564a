// A whole store as of a time: a summary, and a table of its aggregates. The parts are in the folder beside.
import { widgetOf } from "./shared/life.js";
import { wholeView } from "./whole/view.js";
import { makeWhole } from "./whole/whole.js";

const widget = widgetOf(makeWhole, wholeView);
export default widget;
