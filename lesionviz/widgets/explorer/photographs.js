// The photographed samples, apart from the drawn ones: what fetching them would do, how far it is, and then a strip of them. The
// button sends {kind: "fetch"}, and {kind: "cancel"} while it goes on; nothing is asked of anybody before. How they stand comes in
// the trait `photographs` (photographs.py). What one shows is not on the page before a person asks, so that it can be guessed.
// @ts-check

const ABOUT = "about 15 MB"; // 56 million pixels as JPEG; the archive names no size before it is asked

/** `onChoose(name, number)` when one is wanted on view; `mark(name)` says which is.
 * @param {Model<{photographs: PhotographsView}, Message>} model of image_picker.js
 * @param {(name: string, number: number) => void} onChoose
 */
function photographs(model, onChoose) {
  const images = pictures();
  /** @type {Set<string>} */
  const revealed = new Set(); // names of those whose diagnosis was asked for
  let chosen = "";

  // --- not here yet --------------------------------------------------------------------------------------------------
  const words = element("p", { id: newId(), className: "lv-photographs-words" });
  const trouble = element("p", { className: "lv-photographs-trouble", role: "alert" });
  const press = button("Fetch twelve photographs", () => model.send({ kind: "fetch" }));
  press.setAttribute("aria-describedby", words.id);
  const offer = element("div", { className: "lv-photographs-offer" }, words, press);
  const far = element("p", { role: "status" });
  const bar = element("progress", { ariaLabel: "Photographs fetched" });
  const cancel = button("Cancel", () => model.send({ kind: "cancel" }), { ariaLabel: "Cancel fetching" });
  const way = element("div", { className: "lv-photographs-way" }, far, bar, cancel);

  // --- here ----------------------------------------------------------------------------------------------------------
  const row = element("div", { className: "lv-photographs-row", role: "group", ariaLabel: "Photographed samples" });
  const caption = element("p");
  const truth = element("p", { role: "status" });
  const reveal = button("Show its diagnosis", () => {
    revealed.add(chosen);
    mark(chosen);
    films.find((film) => film.ariaCurrent)?.focus(); // where the button was, nothing is
  });
  const about = element("div", { className: "lv-photographs-about" }, caption, truth, reveal);
  const strip = element(
    "div",
    {},
    element(
      "p",
      {},
      "or try a ",
      element("b", { textContent: "real photograph" }),
      " of the ISIC Archive: three of each diagnosis, in no order. The model answers for these, as for yours.",
    ),
    row,
    about,
  );
  const node = element("section", { className: "lv-photographs", ariaLabel: "Photographs of the ISIC Archive" }, trouble, offer, way, strip);

  /** @type {HTMLButtonElement[]} */
  let films = [];
  /** @param {Photograph[]} samples */
  function fill(samples) {
    images.release();
    films = samples.map(({ name, thumbnail, owner }, number) => {
      const image = element("img", { alt: "" });
      images.put(image, thumbnail, "image/jpeg");
      const film = button("", () => onChoose(name, number), { className: "lv-photograph", ariaLabel: `Try the photograph ${name}, ${owner}` });
      film.replaceChildren(image, element("span", { textContent: name.replace("_", " ") }), element("small", { textContent: owner }));
      return film;
    });
    row.replaceChildren(...films);
  }
  /** @param {string} name */
  function mark(name) {
    chosen = name;
    const samples = model.get("photographs").samples ?? [];
    samples.forEach((sample, number) => {
      const here = sample.name === name;
      if (here) films[number].setAttribute("aria-current", "true");
      else films[number].removeAttribute("aria-current");
    });
    const sample = samples.find((each) => each.name === name);
    about.hidden = !sample;
    reveal.hidden = !sample || revealed.has(name);
    caption.textContent = sample ? `${sample.name}: ${sample.owner}, ISIC Archive.` : "";
    truth.textContent = sample && revealed.has(name) ? `Its diagnosis: ${sample.truth}.` : "";
  }
  function show() {
    const { state, words: wrong = "", done = 0, all = 0, folder = "", samples = [] } = model.get("photographs");
    const held = focusIn(node);
    node.hidden = state === "off" || state === "reading";
    node.dataset.state = state;
    trouble.textContent = wrong;
    trouble.hidden = !wrong;
    offer.hidden = state !== "offer";
    const here = done ? ` ${done} of ${all} are there already.` : "";
    words.replaceChildren(
      "or ",
      element("b", { textContent: "real photographs" }),
      `: the button fetches twelve, three of each diagnosis, from the ISIC Archive (isic-archive.com): ${ABOUT}, free for any use (CC-0).${here}`,
      element("span", { textContent: ` They stay on this computer, in ${folder}. Nothing is fetched before you press it.` }),
    );
    way.hidden = state !== "fetching";
    far.textContent = state === "fetching" ? `Fetching photographs from the ISIC Archive: ${done} of ${all} are here.` : "";
    Object.assign(bar, { max: all || 1, value: done });
    strip.hidden = state !== "there";
    fill(samples);
    mark(chosen);
    // The keyboard stays here when what it was on has gone.
    if (held instanceof HTMLElement && !held.offsetParent) [press, cancel, films[0]].find((each) => each?.offsetParent)?.focus();
  }
  model.on("change:photographs", show);
  show();
  return {
    node,
    mark,
    release() {
      model.off("change:photographs", show);
      images.release();
    },
  };
}
