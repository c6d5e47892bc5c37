// The parts of the teacher's page beside the case: how to join, who is there, the set of the next quiz, results, and the file.
// @ts-check

/** @param {string} title @param {(Node | string | null)[]} children */
const card = (title, ...children) => element("section", { className: "lv-quiz-card", ariaLabel: title }, element("h2", { textContent: title }), ...children);

/** @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** Where the learners go.
 * @param {TeacherFacts} facts
 */
function joinCard({ address, alone }) {
  const picture = element("div", { className: "lv-teacher-qr" });
  const template = document.querySelector("#qr");
  if (template instanceof HTMLTemplateElement) picture.append(template.content.cloneNode(true));
  const svg = picture.querySelector("svg");
  if (svg) {
    if (!svg.hasAttribute("viewBox")) svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`); // to grow with its box
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "QR code of the learners' address");
  }
  picture.hidden = !svg;
  const node = card("Join the class", picture, element("p", { className: "lv-teacher-address", textContent: address }), element("p", { className: "lv-quiz-soft", textContent: alone ? "Only this computer can open it. For others, start the class again with --host 0.0.0.0, or behind a proxy and open this page through that." : "Open it on a phone or a computer, choose the tab Quiz, and type a name." }));
  node.classList.add("lv-teacher-join");
  return node;
}

/** Who is there, and who has answered. @returns {TeacherPart} */
function peopleCard() {
  const list = element("ul", { className: "lv-teacher-people" });
  const none = element("p", { className: "lv-quiz-soft" });
  const node = card("Who is there", none, list);
  const heading = node.querySelector("h2");
  /** @param {TeacherState} state */
  function show({ learners, phase }) {
    const here = learners.filter((one) => one.here).length;
    if (heading) heading.textContent = here ? `Who is there (${here})` : "Who is there";
    none.textContent = learners.length ? "" : "Nobody yet. Names appear here as soon as learners have typed them.";
    none.hidden = learners.length > 0;
    list.hidden = !learners.length;
    list.replaceChildren(
      ...learners.map((one) => {
        const answered = phase === "question" && one.answered;
        const words = answered ? "answered" : one.here ? "" : "away";
        return element("li", { className: `${answered ? "lv-answered" : ""} ${one.here ? "" : "lv-away"}` }, element("span", { textContent: one.name }), words ? element("small", { textContent: answered ? "✓ answered" : words }) : null);
      }),
    );
  }
  return { node, show };
}

/** Choose a set and start a quiz with it.
 * @param {TeacherFacts} facts
 * @param {DoMove} act
 * @returns {TeacherPart}
 */
function setupCard({ classes, places, bound }, act) {
  const offers = element("datalist", { id: newId() }, ...places.map((value) => element("option", { value })));
  const path = element("input", { type: "text", id: newId(), autocomplete: "off", spellcheck: false, placeholder: places[0] ?? "/home/anna/cases" });
  path.setAttribute("list", offers.id);
  const read = button("Read this folder", () => {}, { type: "submit" });
  const reading = element("span", { className: "lv-quiz-soft", role: "status" });
  const wrong = element("p", { id: newId(), className: "lv-message lv-error", role: "alert", hidden: true });
  const drawn = button("Back to the drawn samples", () => open(null));
  const folder = element(
    "form",
    { className: "lv-teacher-folder" },
    element("label", { htmlFor: path.id, textContent: "Folder or table on the server's computer" }),
    element("div", { className: "lv-row" }, path, read, drawn, reading),
    wrong,
    element("p", { className: "lv-quiz-soft", textContent: `${bound ? "Only the folders offered here, and what lies in them, may be read. " : ""}Its subfolders are named after the classes (BCC, BKL, MEL, NV, or the full names), or a table names the pictures. It is read where it lies and never copied.` }),
    offers,
  );
  /** Say at the field why the folder cannot be read, or nothing.
   * @param {string} sentence
   */
  function correct(sentence) {
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
    if (sentence) {
      path.setAttribute("aria-invalid", "true");
      path.setAttribute("aria-describedby", wrong.id);
      wrong.scrollIntoView({ block: "nearest" });
    } else {
      for (const name of ["aria-invalid", "aria-describedby"]) path.removeAttribute(name);
    }
  }
  /** @param {string | null} source */
  async function open(source) {
    for (const node of [read, drawn]) node.disabled = true;
    reading.textContent = source === null ? "" : "Reading the folder …";
    correct("");
    await act("open", { folder: source }, correct);
    reading.textContent = "";
    for (const node of [read, drawn]) node.disabled = false;
  }
  folder.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!read.disabled) open(path.value);
  });

  const name = element("h3");
  const what = element("div", { className: "lv-teacher-set" });
  let cases = 10;
  let most = 1;
  const number = slider({ name: "Cases", min: 1, max: 1, step: 1, value: 1, words: (value) => `${value} of ${most}`, onInput: (value) => (cases = value) });
  const seed = element("input", { type: "number", id: newId(), min: "0", max: "4294967295", step: "1", value: 0, required: true });
  const start = button("Start the quiz", () => {}, { type: "submit", className: "lv-primary lv-quiz-big" });
  const forgets = element("p", { className: "lv-quiz-soft", textContent: "Starting another quiz forgets the answers of the last one. Download them first." });
  const begin = element(
    "form",
    { className: "lv-quiz-form" },
    number.node,
    element("details", {}, element("summary", { textContent: "Which cases" }), element("div", { className: "lv-quiz-name" }, element("label", { htmlFor: seed.id, textContent: "Seed" }), seed), element("p", { className: "lv-quiz-soft", textContent: "The same set and the same seed ask the same cases in the same order." })),
    element("div", { className: "lv-row" }, start),
    forgets,
  );
  begin.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (start.disabled) return;
    Object.assign(start, { disabled: true, textContent: "Starting …" });
    await act("start", { cases, seed: Number(seed.value) });
    Object.assign(start, { disabled: false, textContent: "Start the quiz" });
  });
  const node = card("A quiz for the class", name, what, begin, element("hr"), folder);
  let shown = "";

  /** @param {TeacherState} state */
  function show({ set, phase, counted: done }) {
    forgets.hidden = phase !== "over" || !done;
    drawn.hidden = set.drawn;
    const key = JSON.stringify(set);
    if (key === shown) return; // what the teacher has typed stays
    shown = key;
    name.textContent = set.drawn ? "Drawn samples" : set.name;
    path.value = set.source || path.value;
    const counts = element("ul", { className: "lv-quiz-counts" }, ...classes.map((one) =>
      element("li", {}, element("i", { style: `background:${one.colour}` }), element("b", { textContent: set.counts[one.code].toLocaleString("en") }), ` ${one.name} (${one.code})`)));
    const note = set.drawn
      ? element("p", { className: "lv-quiz-drawn", textContent: DRAWINGS })
      : null;
    const problems = set.problems.length
      ? element("details", { open: true }, element("summary", { textContent: "What was left out" }), element("ul", { className: "lv-quiz-problems" }, ...set.problems.map((text) => element("li", { textContent: text }))))
      : null;
    what.replaceChildren(counts, ...[note, problems].filter((one) => one !== null));
    most = set.most;
    number.input.max = String(most);
    cases = Math.min(cases, most);
    number.set(cases);
  }
  return { node, show };
}

/** How the class and the model have done so far, in the cases that were revealed.
 * @param {LesionClass[]} classes
 * @returns {TeacherPart}
 */
function resultsCard(classes) {
  const node = element("section", { className: "lv-teacher-results", ariaLabel: "Results so far" });
  let shown = "";
  /** @param {TeacherState} state */
  function show({ counted: done, score, model, matrices, learners, phase, problems, drawn }) {
    const key = JSON.stringify([done, score, model, drawn, learners.map(({ name, right, of }) => [name, right, of]), phase === "over", problems]);
    if (key === shown) return;
    shown = key;
    const people = learners.filter((one) => one.of || one.here);
    const title = phase === "over" ? "Results" : "Results so far";
    const about = `${counted(done, "case", "cases")} revealed. ${score.of ? "A case counts as soon as it is revealed, for everybody who answered it." : phase === "over" ? "Nobody answered any of them." : "Nobody answered yet."}`;
    node.hidden = !done;
    node.replaceChildren(
      element("h2", { tabIndex: -1, textContent: title }),
      element("p", { className: "lv-quiz-soft", textContent: about }),
      ...(score.of
        ? [
            element("div", { className: "lv-quiz-scores" }, scoreCard("The class, all answers together", score), scoreCard(theModel(drawn), model)),
            matricesSection(matrices, classes),
            element("section", { className: "lv-teacher-scores", ariaLabel: "Scores" }, element("h3", { textContent: "Scores" }), plainTable(["Learner", "Right", "Of"], people.map((one) => [one.name, one.right, one.of]))),
          ]
        : []),
      ...(problems.length ? [element("ul", { className: "lv-quiz-problems" }, ...problems.map((text) => element("li", { textContent: `Left out: ${text}` })))] : []),
      ...(score.of ? [element("p", {}, element("a", { className: "lv-button", href: "teacher/answers.csv", download: "class-answers.csv", textContent: "Download answers (CSV)" }))] : []),
    );
  }
  return { node, show };
}

/** A question with two answers, over the page.
 * @param {{title: string, words: string, yes: string, onYes: () => void}} options
 */
function askFirst({ title, words, yes, onYes }) {
  const heading = element("h2", { id: newId(), textContent: title });
  const dialog = element("dialog", { className: "lv-teacher-dialog" }, heading, element("p", { textContent: words }), element("div", { className: "lv-row" }, button("Cancel", () => dialog.close()), button(yes, () => {
    dialog.close();
    onYes();
  }, { className: "lv-danger" })));
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector("#teacher")?.append(dialog);
  dialog.showModal();
}

/** Where names and answers are kept, and how they go.
 * @param {DoMove} act
 * @returns {TeacherPart}
 */
function fileCard(act) {
  const where = element("p");
  const problem = element("p", { className: "lv-message lv-error", role: "alert", hidden: true });
  const everything = button("Delete all names and answers", () =>
    askFirst({
      title: "Delete all names and answers?",
      words: "The quiz ends, the file is deleted, and everybody is asked for a name again. This cannot be undone. The pictures stay where they are.",
      yes: "Delete all",
      onYes: () => act("delete"),
    }));
  const node = card("What is kept", where, problem, element("div", { className: "lv-row" }, everything));
  /** @param {TeacherState} state */
  function show({ file }) {
    const lasting = "It holds names, choices and times, for this user of the computer alone, and stays there until you delete it.";
    where.replaceChildren(...(file.path ? ["Names and answers lie on the server's computer in ", element("code", { textContent: file.path }), `. ${lasting}`] : ["Names and answers are kept in memory only, and are gone when the server ends."]));
    where.hidden = Boolean(file.problem);
    problem.textContent = file.problem;
    problem.hidden = !file.problem;
  }
  return { node, show };
}
