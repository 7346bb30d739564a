// Checklist: ten questions and a verdict. The parts are in the folder beside.
import { checklistView, makeAnswers } from "./checklist/view.js";
import { widgetOf } from "./shared/life.js";

const widget = widgetOf(makeAnswers, checklistView);
export default widget;
