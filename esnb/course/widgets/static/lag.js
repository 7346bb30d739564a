// Lag: write head, checkpoint, and what a reader sees. Python recorded what the real projection does; see
// esnb/course/widgets/lag.py. The parts are in the folder beside.
import { makeClock } from "./lag/clock.js";
import { lagView } from "./lag/view.js";
import { widgetOf } from "./shared/life.js";

const widget = widgetOf(makeClock, lagView);
export default widget;
