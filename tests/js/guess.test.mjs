// When a guess is the fact. That Python says the same is in tests/course/test_guesses.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  guessKey,
  guessShown,
  keyOf,
  quantity,
  revealed,
  withHand,
} from "../../esnb/course/widgets/static/shared/guess.js";

const asked = {
  question: "How much?",
  unit: "cents",
  options: [],
  fact: "2690 cents",
  key: "2690",
  notes: [
    ["1890", "1890 cents", "The poster alone."],
    ["0", "0 cents", "Nothing?"],
  ],
};
const choice = {
  ...asked,
  unit: "",
  options: [
    ["yes", "it fails"],
    ["2", "two are left"],
  ],
  fact: "it fails",
  key: "yes",
  notes: [["2", "two are left", "One was refused."]],
};

test("numbers are compared by value", () => {
  for (const text of [
    "1890",
    " 1,890 ",
    "1890.00",
    "+1890",
    "1.89e3",
    "01890",
    "189000e-2",
    "1890 cents",
    "1890cent",
  ])
    assert.equal(keyOf(text, "cents"), "1890", text);
  assert.equal(keyOf("18,90"), keyOf("18.9"));
  assert.equal(keyOf("-0.0"), "0");
  assert.equal(keyOf("−3"), "-3");
  assert.notEqual(keyOf("18.90"), keyOf("1890"));
});
test("texts are compared without case and spaces", () => {
  assert.equal(keyOf(" Order  Placed"), keyOf("orderplaced"));
  assert.equal(keyOf("True"), keyOf("yes"));
  assert.equal(keyOf("constructor"), "constructor");
});
test("one is singular", () => {
  assert.deepEqual(
    [
      ["1", "cents"],
      ["2", "cents"],
      ["1", "entries"],
      ["1", ""],
      ["1", "class"],
    ].map((a) => quantity(...a)),
    ["1 cent", "2 cents", "1 entry", "1", "1 class"],
  );
});
test("an option is known by value and by label", () => {
  assert.equal(guessKey(choice, "It fails"), "yes");
  assert.equal(guessKey(choice, "2.0"), "2");
  assert.equal(guessShown(choice, "2"), "two are left");
});
test("a guess is shown beside the fact, with its own note", () => {
  assert.deepEqual(revealed(asked, "1,890"), {
    right: false,
    note: "The poster alone.",
    lines: [
      { name: "Your guess", text: "1,890 cents", sign: "≠" },
      { name: "The fact", text: "2690 cents", sign: "" },
    ],
  });
  assert.equal(revealed(asked, "5").note, "");
  assert.deepEqual([revealed(asked, "2690.0").right, revealed(asked, "2690.0").note], [true, ""]);
});
test("without a guess the usual wrong one is shown", () => {
  const { right, note, lines } = revealed(asked, "");
  assert.deepEqual(
    [right, note, lines.map((line) => line.text)],
    [null, "The poster alone.", ["2690 cents", "1890 cents"]],
  );
  assert.deepEqual(revealed({ ...asked, notes: [] }, "").lines.length, 1);
});
test("hands are counted by answer", () => {
  let hands = withHand(asked, [], "1890", 1);
  hands = withHand(asked, hands, "1,890.0", 1);
  hands = withHand(asked, hands, "2690", 1);
  assert.deepEqual(hands, [
    ["1890", 2],
    ["2690", 1],
  ]);
  assert.deepEqual(withHand(asked, hands, "2690", -1), [["1890", 2]]);
});
