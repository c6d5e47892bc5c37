// A question's answer: the form that takes one, and the rows that say what everybody answered.
// @ts-check

const RIGHT = "✓ right";
const WRONG = "✗ wrong";

/** The words of the diagnoses.
 * @param {LesionClass[]} classes
 */
function wordsOf(classes) {
  /** @param {string} code */
  const diagnosis = (code) => classes.find((one) => one.code === code);
  /** @param {string} code */
  const nameOf = (code) => diagnosis(code)?.name ?? code;
  return { diagnosis, nameOf };
}
/** @param {string} text */
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Four diagnoses, how sure, and Commit; `more` stands beside that. `free()` lets the person commit again; with `both`, nothing
 *  is committed before it was said how sure.
 * @param {{classes: LesionClass[], sure: string[], both?: boolean, more?: (Node | null)[], onCommit: (answer: string, sure: string) => void}} options
 */
function answerForm({ classes, sure: degrees, both = false, more = [], onCommit }) {
  const group = newId();
  const inputs = classes.map(({ code }) => element("input", { type: "radio", name: group, value: code }));
  const choices = classes.map(({ code, name }, index) => {
    const key = element("kbd", { textContent: index + 1 });
    key.setAttribute("aria-hidden", "true");
    return element("label", { className: "lv-choice" }, inputs[index], key, element("span", {}, capital(name), " ", element("small", { textContent: code })));
  });
  let sure = "";
  const sureness = segments({ name: "How sure?", options: degrees.map((value) => ({ value, label: value })), onChange: (value) => (sure = value) });
  const commit = button("Commit", () => {}, { type: "submit", className: "lv-primary lv-quiz-big", disabled: true });
  const node = element(
    "form",
    { className: "lv-quiz-form" },
    element("fieldset", { className: "lv-choices" }, element("legend", { textContent: "Your diagnosis" }), ...choices),
    sureness.node,
    element("div", { className: "lv-row" }, commit, ...more),
    element("p", { className: "lv-quiz-soft", textContent: "Keys: 1 to 4 choose, Enter commits, + and − zoom, 0 shows the whole picture." }),
  );
  const chosen = () => inputs.find((input) => input.checked);
  const ready = () => (commit.disabled = !chosen() || (both && !sure));
  node.addEventListener("change", ready);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const answer = chosen()?.value;
    if (!answer || commit.disabled || commit.textContent !== "Commit") return;
    commit.textContent = "Committed …";
    onCommit(answer, sure);
  });
  /** @type {Record<string, () => void>} */
  const keys = Object.fromEntries(inputs.map((input, index) => [index + 1, () => {
    input.checked = true;
    input.focus();
    ready();
  }]));
  keys.Enter = () => node.requestSubmit();
  const free = () => (commit.textContent = "Commit");
  return { node, keys, free };
}

/** How far a round is.
 * @param {number} done
 * @param {number} of
 */
function track(done, of) {
  const bar = element("div", { className: "lv-quiz-track" });
  bar.setAttribute("aria-hidden", "true");
  bar.style.setProperty("--lv-done", `${(done / of) * 100}%`);
  return bar;
}

/** @param {boolean} right */
const mark = (right) => element("span", { className: right ? "lv-mark lv-hit" : "lv-mark lv-miss", textContent: right ? RIGHT : WRONG });

/** Who answered what, for a list of them.
 * @param {string} who
 * @param {LesionClass | undefined} found
 * @param {(Node | string)[]} more
 */
const answerRow = (who, found, ...more) => [element("dt", { textContent: who }), element("dd", {}, ...(found ? [element("b", { textContent: capital(found.name) }), ` ${found.code} `] : []), ...more)];

/** What a model answers, or the network for drawings.
 * @param {Omit<ModelVerdict, "html"> | null} found
 * @param {string} truth
 * @param {LesionClass[]} classes
 * @param {string} who
 */
function modelRow(found, truth, classes, who) {
  const its = found && wordsOf(classes).diagnosis(found.code);
  if (!found) return answerRow(who, undefined, "is still looking …");
  if (!its) return answerRow(who, undefined, element("b", { textContent: "No answer. " }), found.failed ? found.reason : `It refuses the picture, because ${found.reason}.`);
  return answerRow(who, its, mark(found.code === truth));
}

/** @param {ModelScore} score @param {boolean} drawn */
function modelWords({ right, of, none }, drawn) {
  const name = networkName(drawn).toLowerCase();
  if (none && none === of) return `${name} without an answer`;
  return `${name} ${right} of ${of - none}${none ? `, ${none} not answered` : ""}`;
}
/** Who plays, and how it stands.
 * @param {Pick<OneCase, "learner" | "score" | "leftOut" | "drawn">} page
 */
function headline({ learner, score, leftOut, drawn }) {
  const parts = [learner];
  if (score.of) parts.push(`${score.right} of ${score.of} right`, modelWords(score.model, drawn));
  if (leftOut) parts.push(`${leftOut} of the set's pictures could not be opened`);
  return parts.join(" · ");
}
