// The drop zone, the file button, the filmstrip and the samples; the photographed ones are photographs.js's. Files stay here; the one on view is sent to the kernel.
// Talks to image_picker.py: what upload.js sends, {kind: "held", id, name}, {kind: "unread", id, name}, {kind: "sample",
// number}, {kind: "removed", id, last} (last: it was on view and none takes its place); hears {kind: "label", id, words,
// usable, reduce}, reduce: it would be of use with fewer pixels. Whatever changes the picture on view has a `request`, a name of
// its own, and is told to the page at once (status.js); so has a second picture for a comparison. {kind: "settled", request} says
// that the kernel needs nothing more of it; what a lost connection has kept from that is sent again (recovery.js).
// @ts-check

/** @typedef {{samples: {name: string, thumbnail: Bytes}[], photographs: PhotographsView, max_bytes: number, longest: number}} PickerTraits */
/** @typedef {{kind: "label", id: number, words: string, usable: boolean, reduce: boolean}} Label */
/** @typedef {Label | {kind: "settled", request: string} | {kind: "said", settled: string[]}} PickerTold */
/** One picture of the filmstrip; `broken`: Python can make nothing of it, `blank`: nor can this browser.
 * @typedef {{id: number, file: File, url: string, broken: boolean, blank: boolean, node: HTMLElement, open: HTMLButtonElement,
 *   compare: HTMLButtonElement, say: (text: string) => void}} Film
 */

/** @param {View<PickerTraits, PickerTold>} view */
function render({ model, el }) {
  /** @type {Film[]} */
  const films = [];
  let numbers = 0;
  let current = -1;
  let sampled = false;
  let choice = { request: "", settled: true, send: () => {} }; // the last one; it makes an older upload stop
  /** @type {{film: Film, request: string} | null} */
  let beside = null; // of a second picture that is on its way
  /** @type {Promise<unknown>} */
  let turn = Promise.resolve(); // files go one after the other: the kernel puts one together at a time
  const line = recovery(model, { onLine: sayWay, onSaid });
  const limit = () => model.get("max_bytes");

  // --- sending ---------------------------------------------------------------------------------------------------
  /** Tell the page, and then the kernel, that another picture, or none, is wanted now; `send(request)` tells the kernel.
   * @param {PictureKind} kind
   * @param {string} name
   * @param {(request: string) => void} send
   */
  function choose(kind, name, send) {
    const request = newRequest();
    choice = { request, settled: false, send: () => send(request) };
    photographed.mark("");
    goBeside(null); // it would have stood beside the last one
    el.dispatchEvent(new CustomEvent("lesionviz:chosen", { bubbles: true, detail: /** @satisfies {Choice} */ ({ kind, name, request }) }));
    choice.send();
  }
  /** @param {Film} film */
  function show(film) {
    current = film.id;
    mark();
    strip.scrollTo({ left: film.node.offsetLeft - strip.offsetLeft - 40 });
    question.hidden = true;
    if (film.file.size > limit()) hold(film);
    else choose("receiving", film.file.name, (request) => send(film, { request }));
  }
  /** What more is said of a file that is sent. @typedef {{request: string, second?: boolean}} More */
  /** @param {Film} film @param {More} more */
  const send = (film, more) => (turn = turn.then(() => sendNow(film, more)).catch(reportError)); // and the next one goes all the same
  /** @param {Film} film @param {More} more */
  async function sendNow(film, more) {
    const wanted = () => more.request === (more.second ? beside : choice)?.request;
    if (!wanted()) return;
    try {
      await sendFile(model, film.file, { id: film.id, wanted, more });
    } catch {
      if (wanted()) model.send({ kind: "unread", id: film.id, name: film.file.name, ...more }); // moved, or no longer readable
    }
  }

  // --- a second picture: nothing is seen of it until the kernel turns to the comparison ---------------------------
  const way = element("p", { className: "lv-message lv-picker-way", role: "status", hidden: true });
  /** @param {Film | null} film */
  function goBeside(film) {
    beside = film && { film, request: newRequest() };
    sayWay();
    sendBeside();
  }
  function sendBeside() {
    if (beside) send(beside.film, { second: true, request: beside.request });
  }
  function sayWay() {
    const name = beside?.film.file.name ?? "";
    way.hidden = !beside;
    way.textContent = beside ? unansweredWords(line.trouble(), name) || `${name} is on its way to Compare …` : "";
    way.classList.toggle("lv-lost", isLost(line.trouble()));
  }
  /** @param {string} request */
  function onSettled(request) {
    if (request === choice.request) choice.settled = true;
    if (request === beside?.request) goBeside(null);
  }
  /** @param {{settled: string[]}} content */
  function onSaid({ settled }) {
    settled.forEach(onSettled);
    if (!choice.settled) choice.send();
    sendBeside();
  }

  // --- a picture above a limit: a choice, where it is the file's size before anything is sent ------------------
  const question = element("div", { className: "lv-picker-question", role: "alertdialog", hidden: true });
  /** @param {Film} film */
  function hold(film) {
    choose("held", film.file.name, (request) => model.send({ kind: "held", id: film.id, name: film.file.name, request }));
    propose(film, "This file is too large to send", `is ${megabytes(film.file.size)}; the limit is ${megabytes(limit())}`);
    question.querySelector("button")?.focus();
  }
  /** @param {Film} film @param {string} label @param {string} problem */
  function propose(film, label, problem) {
    const cannot = `${film.file.name} cannot be decoded by this browser, so it cannot be reduced here. Save it as a JPEG and choose that.`;
    const words = element("p", {
      textContent: film.blank ? cannot : `${film.file.name} ${problem}. A smaller copy is enough: the model reduces every picture.`,
    });
    question.setAttribute("aria-label", label);
    const reduce = button(
      "Send a smaller copy",
      async () => {
        reduce.disabled = true;
        reduce.textContent = "Reducing it …";
        const smaller = await shrink(film.file, model.get("longest"));
        if (smaller && smaller.size <= limit()) {
          Object.assign(film, { file: smaller, broken: false });
          if (current === film.id) show(film);
        } else {
          words.textContent = cannot;
          reduce.remove();
        }
      },
      { className: "lv-primary", title: `Reduced to ${model.get("longest")} pixels along its longer side` },
    );
    question.replaceChildren(
      words,
      element("div", { className: "lv-row" }, film.blank ? null : reduce, button("Choose another", () => input.click()), button("Do not send", () => remove(film))),
    );
    question.hidden = false;
  }

  // --- the filmstrip -------------------------------------------------------------------------------------------
  const strip = element("div", { className: "lv-film", role: "group", ariaLabel: "Your pictures", hidden: true });
  /** @param {File[]} files */
  function take(files) {
    for (const film of films.filter(({ broken }) => broken)) drop(film); // it has been said what is wrong with them
    const chosen = files.filter(isPicture);
    const others = files.length - chosen.length;
    note.textContent = others && chosen.length ? `${others} ${others === 1 ? "file is no picture and was" : "files are no pictures and were"} left out.` : "";
    const added = (chosen.length ? chosen : files.slice(0, 1)).map((file) => add(file)); // one alone gets its reason from Python
    if (added.length) show(added[0]);
  }
  /** @param {File} file */
  function add(file) {
    const url = URL.createObjectURL(file);
    const image = element("img", { src: url, alt: "" });
    image.addEventListener("error", () => {
      film.blank = true; // TIFF: browsers do not draw it
      image.replaceWith(element("span", { className: "lv-film-blank", textContent: "no preview" }));
    });
    const words = element("span", { className: "lv-film-words" });
    const open = button("", () => show(film), { className: "lv-film-open" });
    open.replaceChildren(image, element("span", { className: "lv-film-name", textContent: file.name, title: file.name }), words);
    const compare = button("Compare", () => goBeside(film), { className: "lv-film-compare", title: `Put ${file.name} beside the picture on view` });
    compare.setAttribute("aria-label", `Compare with ${file.name}`);
    const away = button("×", () => remove(film), { className: "lv-film-remove", title: `Take ${file.name} out`, ariaLabel: `Take ${file.name} out` });
    const node = element("div", { className: "lv-film-one" }, open, element("div", { className: "lv-film-row" }, compare, away));
    /** @type {Film} */
    const film = { id: ++numbers, file, url, broken: false, blank: false, node, open, compare, say: (text) => (words.textContent = text) };
    films.push(film);
    strip.append(film.node);
    mark();
    return film;
  }
  /** @param {Film} film */
  function drop(film) {
    const place = films.indexOf(film);
    films.splice(place, 1);
    URL.revokeObjectURL(film.url);
    film.node.remove();
    return place;
  }
  /** Take a picture out; the one beside it takes its place on view.
   * @param {Film} film
   */
  function remove(film) {
    const place = drop(film);
    const next = films[Math.min(place, films.length - 1)];
    const onView = film.id === current;
    /** @param {{last?: boolean, request?: string}} more */
    const forget = (more) => model.send({ kind: "removed", id: film.id, last: false, ...more });
    if (onView) {
      question.hidden = true;
      current = -1;
      if (next) show(next);
      else choose("empty", "", (request) => forget({ last: true, request }));
    }
    if (!onView || next) forget({});
    mark();
    if (next && !strip.hidden) next.open.focus();
    else input.focus();
  }
  function mark() {
    strip.hidden = films.length < 2;
    el.classList.toggle("lv-small", sampled || films.some(({ broken }) => !broken)); // room for what is on view
    for (const film of films) {
      const here = film.id === current;
      if (here) film.open.setAttribute("aria-current", "true");
      else film.open.removeAttribute("aria-current");
      film.compare.hidden = current < 0 || film.broken;
      film.compare.style.visibility = here ? "hidden" : "";
    }
  }
  /** @param {PickerTold} content */
  const onMessage = (content) => {
    if (content?.kind === "settled") onSettled(content.request);
    if (content?.kind !== "label") return;
    const film = films.find(({ id }) => id === content.id);
    if (!film) return;
    film.say(content.words);
    film.broken = content.usable === false;
    if (content.reduce && film.id === current) propose(film, "This picture has too many pixels", "has more pixels than are decoded");
    mark();
  };

  // --- the drop zone ---------------------------------------------------------------------------------------------
  const input = element("input", { type: "file", accept: ACCEPTED, multiple: true, className: "lv-picker-input" });
  input.addEventListener("change", () => {
    take(chosenFiles(input).map(({ file }) => file));
  });
  const note = element("p", { className: "lv-picker-note", role: "status" });
  const zone = element(
    "label",
    { className: "lv-zone lv-picker-zone" },
    input,
    element("span", { className: "lv-picker-button", textContent: "Choose images" }),
    element("span", { className: "lv-picker-hint", textContent: "or drop or paste them here · JPEG, PNG, HEIC, WebP, TIFF, BMP, DICOM" }),
  );
  takeDrops(zone, (dropped) => take(dropped.map(({ file }) => file)));
  /** @param {ClipboardEvent} event */
  const onPaste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const home = homeOf(el);
    const writing = event.target instanceof Element && event.target.closest("input:not([type=file], [type=range], [type=radio]), textarea, [contenteditable=true], .cm-editor");
    const elsewhere = document.activeElement !== document.body && !home.contains(document.activeElement);
    if (!files.length || writing || elsewhere || !el.offsetParent) return;
    event.preventDefault();
    take(files);
  };
  document.addEventListener("paste", onPaste);

  /** @param {string} name @param {(request: string) => void} tell */
  function chooseSample(name, tell) {
    current = -1;
    sampled = true;
    question.hidden = true;
    mark();
    choose("receiving", name, tell);
  }
  const photographed = photographs(model, (name, number) => {
    chooseSample(name, (request) => model.send({ kind: "photograph", number, request }));
    photographed.mark(name);
  });
  /** @type {string[]} */
  const urls = [];
  const samples = model.get("samples").map(({ name, thumbnail }, number) => {
    const url = URL.createObjectURL(new Blob([thumbnail], { type: "image/jpeg" }));
    urls.push(url);
    const node = button("", () => chooseSample(name, (request) => model.send({ kind: "sample", number, request })), { className: "lv-picker-sample", ariaLabel: `Try the ${name}` });
    node.replaceChildren(element("img", { src: url, alt: "" }), element("span", { textContent: name.replace(/^synthetic /, "") }));
    return node;
  });
  const offer = element(
    "div",
    { className: "lv-picker-samples" },
    element("p", {
      textContent:
        "or try a synthetic sample: drawn by a program, with the structures that name each diagnosis. " +
        "A small network that was trained on drawings alone answers for these.",
    }),
    element("div", { className: "lv-picker-row" }, ...samples),
  );
  el.classList.add("lv", "lv-picker");
  keepKeys(el);
  el.replaceChildren(element("div", { className: "lv-picker-top" }, zone, offer), photographed.node, note, question, way, strip);
  model.on("msg:custom", onMessage);
  return () => {
    line.release();
    photographed.release();
    model.off("msg:custom", onMessage);
    document.removeEventListener("paste", onPaste);
    for (const url of [...urls, ...films.map((film) => film.url)]) URL.revokeObjectURL(url);
  };
}

export default { render };
