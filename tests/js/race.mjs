// Race's module as the page gets it.
import { load } from "./core.mjs";

export const race = await load("race");
