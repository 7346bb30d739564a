// TimeTravel: every state of one stream under one playhead. The parts are in the folder beside.
import { widgetOf } from "./shared/life.js";
import { makeClock } from "./timetravel/clock.js";
import { timeTravelView } from "./timetravel/view.js";

const widget = widgetOf(makeClock, timeTravelView);
export default widget;
