// What the tests of the pure part share: the modules as they are, and one name for all of them.

export * from "../../esnb/course/widgets/static/shared/kernel.js";
export * from "../../esnb/course/widgets/static/shared/places.js";
export * from "../../esnb/course/widgets/static/shared/questions.js";
export * from "../../esnb/course/widgets/static/shared/search.js";
export * from "../../esnb/course/widgets/static/shared/tape.js";
export * from "../../esnb/course/widgets/static/shared/words.js";
export { filmOf, headersOf } from "../../esnb/course/widgets/static/timetravel/film.js";
