// Race: two writers and one stream. The parts are in the folder beside.
import { makeRace } from "./race/race.js";
import { raceView } from "./race/view.js";
import { widgetOf } from "./shared/life.js";

const widget = widgetOf(makeRace, raceView);
export default widget;
