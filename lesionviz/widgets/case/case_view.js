// One case: original, heatmap and overlay, and everything that a person can turn about them. Once its maps are here,
// nothing is asked of the kernel; what the person has chosen is handed over when the focus leaves the view, so that
// a notebook's next cell finds it. Runs without a kernel too, in an exported page.
// @ts-check

const SHARED = /** @type {const} */ (["target", "against", "layer", "method", "scale", "colours", "blend", "alpha", "threshold"]);
const TOO_LARGE = "This browser cannot make a picture of that size. Try another browser.";
const HELP = "Keys: left and right change the class, up and down the layer, [ and ] alpha, + and − zoom, 0 shows the whole picture.";

/** What is on view: a map of a case, and the peak of its layer. @typedef {{bundle: CaseBundle, map: RawMap, peak: number}} OnView */

/** @param {View<CaseTraits, Message>} view */
function renderCase({ model, el }) {
  const { classes, codes, nameOf, tables } = vocabulary(model);
  const images = pictures();
  /** @type {CaseBundle | null} */
  let bundle = null; // the case
  /** @type {Record<string, MapSet>} */
  let sets = {}; // by method
  let field = new Float32Array(); // upsampled raw values of the map on view, and what they were made of
  let fieldOf = "";
  /** @type {Point | null} */
  let pointed = null;
  /** @type {Set<string>} */
  let asked = new Set(); // methods that the kernel was asked for
  let spoken = "";

  // --- what is on view -------------------------------------------------------------------------------------------
  const { eye, node: zoom } = zoomTools();
  /** @param {Point | null} at */
  const onPoint = (at) => {
    pointed = at;
    readOut();
  };
  const original = makeStage(eye, { label: "Picture", onPoint });
  const heatmap = makeStage(eye, { label: "Heatmap", onPoint });
  const overlay = makeStage(eye, { label: "Overlay", onPoint });
  original.node.classList.add("lv-original");
  heatmap.node.classList.add("lv-heatmap");
  overlay.node.classList.add("lv-overlay");
  const stages = [original, heatmap, overlay];
  const divider = element("div", { className: "lv-divider" });
  overlay.node.append(divider);

  const input = element("img", { className: "lv-input", alt: "" });
  const inputWords = element("span");
  const captions = [element("span"), element("span"), element("span")];
  /** @param {string} name @param {Stage} stage @param {HTMLElement} caption */
  const figure = (name, stage, caption) =>
    element("figure", { className: `lv-figure lv-figure-${name}` }, stage.node, element("figcaption", {}, caption));
  const figures = element(
    "div",
    { className: "lv-figures" },
    figure("original", original, captions[0]),
    figure("heatmap", heatmap, captions[1]),
    figure("overlay", overlay, captions[2]),
  );
  const seen = element("figure", { className: "lv-seen" }, element("div", { className: "lv-input-frame" }, input), element("figcaption", {}, inputWords));
  figures.tabIndex = 0;
  figures.setAttribute("role", "group");
  figures.setAttribute("aria-label", `Pictures of the case. ${HELP}`);

  // --- controls --------------------------------------------------------------------------------------------------
  const { state, turn, choose, release } = handOver({ el, model, names: SHARED, show });
  const repaint = oncePerFrame(() => {
    const found = current();
    if (found) paintAll(found);
  });
  const { layers, layerWords, layer, method, alpha, threshold, colours } = mapControls({ state, grid: () => bundle?.grid, choose, turn, blend, repaint });
  const target = segments({ name: "Explain", value: state.target, options: targetOptions(), onChange: (value) => choose({ target: value, against: value === state.against ? "" : state.against }) });
  const against = dropdown({ name: "and not", value: state.against, options: [], onChange: (value) => choose({ against: value }) });
  const scale = dropdown({
    name: "Scale",
    value: state.scale,
    options: [
      { value: "per map", label: "for this map alone" },
      { value: "shared across classes", label: "shared by the four classes" },
      { value: "signed", label: "for and against" },
    ],
    onChange: (value) => choose({ scale: value }),
  });
  const blendChoice = dropdown({
    name: "Blend",
    value: state.blend,
    options: [
      { value: "by evidence", label: "more where more evidence is" },
      { value: "evenly", label: "the same everywhere" },
    ],
    onChange: (value) => choose({ blend: value }),
  });
  const swipe = slider({
    name: "Divider",
    min: 0,
    max: 1,
    step: 0.01,
    value: 0.5,
    className: "lv-swipe",
    words: (value) => `at ${percent(value)} of the width`,
    onInput: () => divide(),
  });
  const layout = segments({
    name: "View",
    value: "side by side",
    options: [
      { value: "side by side", label: "Side by side" },
      { value: "swipe", label: "Swipe", title: "One large picture with a divider: bare on the left, with the heatmap on the right" },
    ],
    onChange: (value) => {
      view.classList.toggle("lv-swiping", value === "swipe");
      swipe.node.hidden = value !== "swipe";
      divide();
    },
  });
  swipe.node.hidden = true;
  const save = button("Save as PNG", savePicture, { className: "lv-save" });

  // --- legend, words ---------------------------------------------------------------------------------------------
  const legend = legendBar();
  const finding = element("p", { className: "lv-finding" });
  const pointer = element("p", { className: "lv-reading" });
  const live = element("p", { className: "lv-unseen", role: "status" });
  const more = element("details", { className: "lv-more" }, element("summary", { textContent: "More ways to look" }),
    element("div", { className: "lv-row" }, scale.node, blendChoice.node, colours.node, method.node));
  const view = element(
    "div",
    { className: "lv-view" },
    element("div", { className: "lv-row" }, target.node, against.node, layer.node),
    figures,
    swipe.node,
    element("div", { className: "lv-under" }, seen, element("div", { className: "lv-words" }, legend.node, pointer), element("div", { className: "lv-blend" }, alpha.node, threshold.node)),
    finding,
    element("div", { className: "lv-row lv-tools" }, layout.node, zoom, save),
    more,
    live,
  );
  const empty = element("p", { className: "lv-empty", textContent: "No picture yet." });
  el.classList.add("lv", "lv-case");
  keepKeys(el);
  el.replaceChildren(view, empty);

  // --- reading the state -----------------------------------------------------------------------------------------
  function targetOptions() {
    return [
      { value: "", label: "The answer", title: bundle ? `The ${answerer(bundle)} answers ${bundle.predicted}` : "What the model answers" },
      ...classes.map(({ code, name }) => ({ value: code, label: code, title: name })),
    ];
  }
  function againstOptions() {
    const linear = bundle?.methods.find((one) => one.key === state.method)?.linear;
    return [
      { value: "", label: "no other class" },
      ...codes.filter((code) => code !== explained()).map((code) => ({ value: code, label: nameOf(code), disabled: !linear })),
    ];
  }
  function explained() {
    return state.target || (bundle?.predicted ?? "");
  }
  function subject() {
    return state.against ? `${nameOf(explained())} and not ${nameOf(state.against)}` : nameOf(explained());
  }

  /** What can be shown; null while it is on its way.
   * @returns {OnView | null}
   */
  function current() {
    const set = sets[state.method];
    if (!bundle || !set?.has(state.layer)) return null;
    const one = set.map(state.layer, codes.indexOf(explained()));
    const contrast = state.against && state.against !== explained();
    const map = contrast ? contrastMap(one, set.map(state.layer, codes.indexOf(state.against))) : one;
    return { bundle, map, peak: contrast ? Math.max(0, map.high) : set.sharedPeak(state.layer) };
  }

  // --- painting --------------------------------------------------------------------------------------------------
  function show() {
    if (!bundle) return;
    const linear = bundle.methods.find((one) => one.key === state.method)?.linear;
    if (!linear || state.against === explained()) state.against = "";
    target.set(state.target);
    against.fill(againstOptions());
    against.set(state.against);
    against.node.title = linear ? "" : "Contrasts are exact for Grad-CAM and HiResCAM";
    layer.set(Math.max(0, layers().indexOf(state.layer)));
    method.set(state.method);
    scale.set(state.scale);
    colours.set(state.colours);
    blendChoice.set(state.blend);
    alpha.set(state.alpha);
    threshold.set(state.threshold);
    const found = current();
    view.classList.toggle("lv-without-map", !found);
    if (!found) {
      if (!sets[state.method] && !asked.has(state.method)) {
        asked.add(state.method);
        model.send({ kind: "method", key: state.method });
      }
      captions[1].textContent = `The maps of ${state.layer} are being computed …`;
      captions[2].textContent = finding.textContent = "";
    } else {
      const key = [state.method, state.layer, explained(), state.against].join(" ");
      if (fieldOf !== key) {
        const [width, height] = canvasSize(bundle.box);
        field = upsample(found.map, width, height);
        fieldOf = key;
      }
      paintAll(found);
      describe(found);
    }
    readOut();
  }
  /** @param {OnView} found */
  function paintAll({ map, peak }) {
    const range = scaleOf(map, state.scale, peak);
    const table = tables[range.signed ? "signed" : state.colours];
    for (const stage of [heatmap, overlay]) {
      const fade = stage === overlay && state.blend === "by evidence";
      const pixels = palette(table, { signed: range.signed, threshold: state.threshold, fade });
      const context = penOf(stage.canvas);
      paint(context, field, range, pixels, context.createImageData(stage.canvas.width, stage.canvas.height));
    }
    paintLegend(range, table);
    blend();
  }
  function blend() {
    overlay.canvas.style.opacity = String(state.alpha);
    overlay.canvas.style.visibility = state.alpha > 0 ? "" : "hidden"; // then the picture is painted as if there were none
  }
  /** @param {ColourScale} range @param {Uint8Array} table */
  function paintLegend(range, table) {
    legend.paint(table, { signed: range.signed, threshold: state.threshold });
    const whose = { "per map": "most in this map", "shared across classes": "most of the four classes", signed: "for" }[state.scale];
    legend.least.textContent = range.signed ? `against −${units(range.most)}` : "no evidence";
    legend.most.textContent = `${range.signed ? "for +" : ""}${units(range.most)}${range.signed ? "" : `, ${whose}`}`;
    legend.most.title = "In units of the logit";
  }
  /** @param {OnView} found */
  function describe({ bundle: about, map }) {
    const words = state.against ? contrastWords(map) : map.words;
    finding.textContent = words;
    const way = state.method === "gradcam" ? "Grad-CAM" : about.methods.find((one) => one.key === state.method)?.name;
    const what = `${way} evidence for ${subject()} at ${layerWords(state.layer)}`;
    captions[0].textContent = `${about.source}, ${about.width} × ${about.height} pixels${isCropped(about) ? "; framed: what the network saw" : ""}`;
    captions[1].textContent = `Heatmap: ${what}`;
    captions[2].textContent = `Overlay: evidence for ${subject()}`;
    original.say(`${about.source}: the picture`);
    heatmap.say(`${what}, in ${about.source}. ${words}`);
    overlay.say(`Evidence for ${subject()} laid over ${about.source}. The ${answerer(about)} answers ${nameOf(about.predicted)}.`);
    const next = `${subject()}, ${layerWords(state.layer)}. ${words}`;
    if (spoken && next !== spoken) live.textContent = next;
    spoken = next;
  }
  /** @param {RawMap} map */
  function contrastWords(map) {
    return map.high <= 0
      ? `Nowhere does the evidence for ${nameOf(explained())} exceed that for ${nameOf(state.against)} at ${state.layer}.`
      : `Bright is where ${nameOf(explained())} gains most over ${nameOf(state.against)}.`;
  }
  function readOut() {
    const found = pointed ? current() : null;
    pointer.textContent = pointed && found ? reading(pointed, found.bundle, found.map, subject(), scaleOf(found.map, state.scale, found.peak)) : "Point at the picture to read the evidence there.";
    for (const stage of stages) stage.point(pointed);
  }
  function divide() {
    const at = view.classList.contains("lv-swiping") ? Number(swipe.input.value) : 0;
    overlay.node.style.setProperty("--lv-divide", `${at * 100}%`);
  }

  // --- the case and its maps arrive ------------------------------------------------------------------------------
  function takeCase() {
    const before = bundle;
    const sent = model.get("case");
    bundle = sent.box ? sent : null;
    view.hidden = !bundle;
    empty.hidden = Boolean(bundle);
    if (bundle && before?.id === bundle.id) {
      takePhoto(); // the same case: its photograph has arrived
      return;
    }
    sets = {};
    asked = new Set();
    fieldOf = spoken = live.textContent = "";
    images.put(input, bundle?.input, "image/png");
    if (!bundle) {
      takePhoto();
      return;
    }
    eye.reset();
    const [width, height] = canvasSize(bundle.box);
    for (const stage of stages) {
      stage.place(bundle);
      Object.assign(stage.canvas, { width, height });
    }
    takePhoto();
    const cropped = isCropped(bundle);
    view.classList.toggle("lv-cropped", cropped);
    figures.style.setProperty("--lv-ratio", String(bundle.width / bundle.height));
    input.alt = `What the network sees of ${bundle.source}`;
    inputWords.textContent = `Network input: ${cropped ? "centre square" : "whole picture"}, ${bundle.size} × ${bundle.size} pixels`;
    target.fill(targetOptions());
    method.fill(bundle.methods.map(({ key, name }) => ({ value: key, label: name })));
  }
  /** Show the photograph; until it is here, what the network saw of it, in its place. */
  function takePhoto() {
    const here = Boolean(bundle?.photo.byteLength);
    images.put(original.photo, here ? bundle?.photo : bundle?.input, here ? "image/jpeg" : "image/png");
    if (original.photo.hasAttribute("src")) overlay.photo.src = original.photo.src;
    else overlay.photo.removeAttribute("src");
    for (const stage of stages) stage.preview(!here);
  }
  function takeMaps() {
    const packed = model.get("maps");
    sets = Object.fromEntries(Object.entries(packed).map(([key, value]) => [key, unpackMaps(value)]));
    fieldOf = "";
    show();
  }

  // --- keys, focus, saving ---------------------------------------------------------------------------------------
  const keys = mapKeys({ state, codes, explained, layers, choose, eye });
  figures.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey || !bundle) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });
  overlay.node.addEventListener("pointermove", (event) => {
    if (!view.classList.contains("lv-swiping") || eye.state.scale > 1 || !event.buttons) return;
    const rectangle = overlay.node.getBoundingClientRect();
    swipe.set((event.clientX - rectangle.left) / rectangle.width);
    divide();
  });
  function savePicture() {
    const found = current();
    if (!found) return;
    const { bundle: about, map } = found;
    const photo = original.photo;
    const [w, h] = [photo.naturalWidth, photo.naturalHeight];
    const [left, top, right, bottom] = about.box.map((value, index) => (value / (index % 2 ? about.height : about.width)) * (index % 2 ? h : w));
    const gap = Math.round(w / 40);
    const letters = Math.max(12, Math.round(w / 34));
    const lines = [
      `${about.source}. The ${answerer(about)} answers ${nameOf(about.predicted)}${about.refused ? " (not valid)" : ""}.`,
      `${captions[1].textContent}; ${legend.least.textContent} to ${legend.most.textContent} (logit).`,
      map.words,
      "lesionviz, for research and teaching. Not a diagnosis.",
    ].filter(Boolean);
    const sheet = element("canvas", { width: 3 * w + 4 * gap, height: h + 2 * gap + Math.round(lines.length * letters * 1.5) });
    const pen = penOf(sheet);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, sheet.width, sheet.height);
    [original, heatmap, overlay].forEach((stage, index) => {
      const x = gap + index * (w + gap);
      pen.globalAlpha = 1;
      if (stage === heatmap) {
        pen.fillStyle = "#e4e4e4";
        pen.fillRect(x, gap, w, h);
      } else {
        pen.drawImage(photo, x, gap, w, h);
      }
      if (stage === original) return;
      pen.globalAlpha = stage === overlay ? state.alpha : 1;
      pen.drawImage(stage.canvas, x + left, gap + top, right - left, bottom - top);
    });
    pen.globalAlpha = 1;
    pen.fillStyle = "#1c1c1c";
    pen.font = `${letters}px system-ui, sans-serif`;
    lines.forEach((line, index) => pen.fillText(line, gap, h + 2 * gap + letters + index * letters * 1.5, sheet.width - 2 * gap));
    sheet.toBlob((blob) => {
      if (blob) download(`${fileName(about.source)}-${explained()}-${state.layer}.png`, blob, "image/png");
      else pointer.textContent = live.textContent = TOO_LARGE;
    });
  }

  // --- the kernel's side -----------------------------------------------------------------------------------------
  // Case and maps come in one message but as two events: what is new is taken once, when both are here.
  let newCase = false;
  let waitingForAll = false;
  /** @param {boolean} withCase */
  function arrive(withCase) {
    newCase = newCase || withCase;
    if (waitingForAll) return;
    waitingForAll = true;
    queueMicrotask(() => {
      if (newCase) takeCase();
      newCase = waitingForAll = false;
      takeMaps();
    });
  }
  const onCase = () => arrive(true);
  const onMaps = () => arrive(false);
  model.on("change:case", onCase);
  model.on("change:maps", onMaps);
  takeCase();
  takeMaps();
  return {
    /** What was asked for may not have been heard. */
    askAgain() {
      asked = new Set();
      show();
    },
    release() {
      model.off("change:case", onCase);
      model.off("change:maps", onMaps);
      release();
      images.release();
    },
  };
}
