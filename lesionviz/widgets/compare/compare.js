// Maps of one case side by side, or the same map of two cases: one camera, one pointer, one scale. Drawn from raw maps; the
// kernel is asked only for maps of a method that are not here yet, once, and once more over a new connection (recovery.js).
// @ts-check

const COMPARED = /** @type {const} */ (["mode", "target", "against", "layer", "method", "scale", "evidence", "colours", "alpha", "threshold"]);
const COMPARE_HELP =
  "Keys: left and right change the class, up and down the layer, Shift with an arrow moves the reading point, [ and ] change alpha, + and − zoom, 0 shows the whole picture.";
/** @type {Option<CompareMode>[]} */
const MODES = [
  { value: "by class", label: "Classes", title: "All four classes at one layer" },
  { value: "by layer", label: "Layers", title: "All nine layers for one class" },
  { value: "by method", label: "Methods", title: "All methods for one class at one layer" },
  { value: "why one and not another", label: "Why not another", title: "What speaks for one class and not for another" },
  { value: "two pictures", label: "Two pictures", title: "The same class, layer and method in two pictures" },
  { value: "two models", label: "Two models", title: "The same class, layer and method of one picture, by two models" },
];
const WAITING_FOR_MAPS = {
  there: "Maps are being computed …",
  slow: "Maps are being computed …",
  busy: "Maps are being computed …",
  away: "The maps that are missing here come by themselves as soon as the connection is back.",
  gone: "The maps that are missing here were not computed before Python stopped.",
};

/** The traits of compare.py.
 * @typedef {MapTraits & {
 *   second: CaseBundle | NoCase, second_maps: Record<string, PackedMaps>,
 *   other: CaseBundle | NoCase, other_maps: Record<string, PackedMaps>, models: string[], alone: boolean, message: string, waiting: string,
 *   mode: CompareMode, scale: "" | "shared" | "each its own", evidence: "" | "for" | "for and against",
 * }} CompareTraits
 */
/** A place for a tile: it follows the camera for good; `field` is the upsampled map, and `fieldOf` what that was made of.
 * @typedef {{stage: Stage, texts: Record<"title" | "value" | "words", HTMLElement>, node: HTMLElement, field: Float32Array, fieldOf: unknown}} Slot
 */

/** @param {View<CompareTraits, Message>} view */
function renderCompare({ model, el }) {
  const { classes, codes, nameOf, tables } = vocabulary(model);
  const images = pictures();
  const photos = [new Image(), new Image()]; // hold the pictures' addresses for all tiles
  /** @type {[CaseBundle | null, CaseBundle | null, CaseBundle | null]} */
  const bundles = [null, null, null]; // the two pictures, and the first as a second model saw it
  /** @type {Record<string, MapSet>[]} */
  const sets = [{}, {}, {}]; // by method, of each of them
  const modes = () => (model.get("alone") ? MODES.filter(({ value }) => value !== "two models") : MODES);
  /** @type {Set<string>} */
  let asked = new Set(); // methods that the kernel was asked for
  /** @type {Tile[]} */
  let tiles = [];
  /** @type {(TileScale | null)[]} */
  let ranges = [];
  /** @type {Point | null} */
  let pointed = null;
  let spoken = "";
  const line = recovery(model, {
    onLine() {
      takeMessage();
      show();
    },
    onSaid() {
      asked = new Set();
      show();
    },
  });

  // --- reading the state -----------------------------------------------------------------------------------------
  const explained = () => state.target || (bundles[0]?.predicted ?? "");
  const other = () => (state.against && state.against !== explained() ? state.against : explained() === "NV" ? "MEL" : "NV");
  /** @param {string} key */
  const linear = (key) => bundles[0]?.methods.find((one) => one.key === key)?.linear;
  const shared = () => (state.scale ? state.scale === "shared" : sharesByItself(state.mode));
  const signed = () => (state.evidence ? state.evidence === "for and against" : signedByItself(state.mode));

  // --- controls --------------------------------------------------------------------------------------------------
  const { eye, node: zoom } = zoomTools();
  const { state, turn, choose, release } = handOver({ el, model, names: COMPARED, show });
  const repaint = oncePerFrame(paintAll);
  const { layers, layerWords, layer, method, alpha, threshold, colours } = mapControls({ state, grid: () => bundles[0]?.grid, choose, turn, blend, repaint });
  const mode = segments({
    name: "Compare",
    value: state.mode,
    options: modes(),
    className: "lv-compare-mode",
    onChange: (value) => choose({ mode: value, scale: "" }), // what suits one comparison misleads in another
  });
  const target = segments({ name: "Class", value: state.target, options: [], onChange: (value) => choose({ target: value }) });
  const against = dropdown({ name: "and not", value: state.against, options: [], onChange: (value) => choose({ against: value }) });
  /** @type {ReturnType<typeof dropdown<"shared" | "each its own">>} */
  const scale = dropdown({
    name: "Scale",
    value: "shared",
    options: [
      { value: "shared", label: "one for all" },
      { value: "each its own", label: "each its own" },
    ],
    onChange: (value) => choose({ scale: value }),
  });
  /** @type {ReturnType<typeof dropdown<"for" | "for and against">>} */
  const evidence = dropdown({
    name: "Evidence",
    value: "for",
    options: [
      { value: "for", label: "for the class" },
      { value: "for and against", label: "for and against" },
    ],
    onChange: (value) => choose({ evidence: value }),
  });

  // --- page ------------------------------------------------------------------------------------------------------
  const what = element("strong");
  const answers = element("span");
  const heading = element("p", { className: "lv-compared" }, what, answers);
  const grid = element("div", { className: "lv-tiles", tabIndex: 0 });
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", `Maps side by side. ${COMPARE_HELP}`);
  const legend = legendBar();
  const meaning = element("p", { className: "lv-meaning" });
  const waiting = element("p", { className: "lv-waiting" });
  const live = element("p", { className: "lv-unseen", role: "status" });
  const note = element("p", { className: "lv-note", role: "status" });
  const shown = element(
    "div",
    { className: "lv-view" },
    mode.node,
    element("div", { className: "lv-row" }, target.node, against.node, layer.node, method.node),
    heading,
    element("div", { className: "lv-legend-line" }, legend.node, meaning),
    waiting,
    grid,
    element("div", { className: "lv-row" }, alpha.node, threshold.node),
    element("div", { className: "lv-row" }, scale.node, evidence.node, colours.node, zoom),
    live,
  );
  const empty = element("p", { className: "lv-empty", textContent: "No picture to compare yet. Open one under Explore; in a notebook, with compare.show(\"lesion.jpg\")." });
  el.classList.add("lv", "lv-compare");
  keepKeys(el);
  el.replaceChildren(note, shown, empty);

  /** @type {Slot[]} */
  const pool = []; // kept and used again
  /** @param {Point | null} at */
  const onPoint = (at) => {
    pointed = at;
    readOut();
  };
  /** @param {number} index */
  function slotAt(index) {
    if (!pool[index]) {
      const stage = makeStage(eye, { label: "Map", onPoint });
      const texts = { title: element("strong"), value: element("span", { className: "lv-tile-value" }), words: element("span", { className: "lv-tile-words" }) };
      const node = element("figure", { className: "lv-tile" }, stage.node, element("figcaption", {}, texts.title, texts.value, texts.words));
      pool[index] = { stage, texts, node, field: new Float32Array(), fieldOf: null };
      grid.append(node);
    }
    return pool[index];
  }

  // --- painting --------------------------------------------------------------------------------------------------
  function show() {
    const [first, second, seen] = bundles;
    if (!first) return;
    const contrast = state.mode === "why one and not another";
    if (contrast && !linear(state.method)) state.method = first.methods.find((one) => one.linear)?.key ?? state.method;
    fillControls(first, contrast);
    const alone = state.mode === "two pictures" && !second;
    const choice = { mode: state.mode, target: explained(), against: other(), layer: state.layer, method: state.method };
    tiles = comparisonTiles(choice, { classes, bundles: [first, second, seen], sets, models: model.get("models") });
    askForMissing();
    tiles.forEach((tile, index) => place(slotAt(index), tile));
    pool.forEach(({ node }, index) => (node.hidden = index >= tiles.length));
    grid.style.setProperty("--lv-most", { "by class": "4", "by layer": "3", "by method": "4", "why one and not another": "3", "two pictures": "2", "two models": "2" }[state.mode]);
    grid.classList.toggle("lv-tiles-contrast", contrast);
    what.textContent = sentenceCase(subjectWords());
    answers.textContent = answerWords();
    waiting.textContent = alone
      ? "There is no second picture yet. Under Explore, choose several pictures and press Compare below one; in a notebook: compare.add(\"lesion.jpg\")."
      : state.mode === "two models" && !seen
      ? "No second model has answered yet. Under Explore, load one in the fold “A second model”; in a notebook: Compare(second=lesionviz.load(\"other.pth\"))."
      : tiles.some(({ map }) => !map) ? WAITING_FOR_MAPS[line.trouble()] : "";
    paintAll();
    announce();
  }
  /** @param {CaseBundle} first @param {boolean} contrast */
  function fillControls(first, contrast) {
    mode.set(state.mode);
    target.set(state.target);
    against.fill(codes.filter((code) => code !== explained()).map((code) => ({ value: code, label: nameOf(code) })));
    against.set(other());
    layer.set(Math.max(0, layers().indexOf(state.layer)));
    method.fill(first.methods.map(({ key, name }) => ({ value: key, label: contrast && !linear(key) ? `${name} (not exact)` : name, disabled: contrast && !linear(key) })));
    method.set(state.method);
    scale.set(shared() ? "shared" : "each its own");
    evidence.set(signed() ? "for and against" : "for");
    colours.set(state.colours);
    colours.node.hidden = signed(); // the signed colours are fixed: red for, blue against
    alpha.set(state.alpha);
    threshold.set(state.threshold);
    target.node.hidden = state.mode === "by class";
    against.node.hidden = !contrast;
    layer.node.hidden = state.mode === "by layer";
    method.node.hidden = state.mode === "by method";
  }
  function askForMissing() {
    for (const { map, method: key } of tiles) {
      if (map || asked.has(key)) continue;
      asked.add(key);
      model.send({ kind: "method", key });
    }
  }
  /** Put a tile's picture and map into its stage; a field that is there already is kept.
   * @param {Slot} slot
   * @param {Tile} tile
   */
  function place(slot, tile) {
    const { bundle } = tile;
    const { stage } = slot;
    const photo = photos[tile.picture % 2]; // a second model saw the first picture
    if (stage.photo.src !== photo.src) stage.photo.src = photo.src;
    stage.place(bundle);
    stage.node.classList.toggle("lv-cropped", isCropped(bundle));
    slot.node.classList.toggle("lv-without-map", !tile.map);
    slot.texts.title.textContent = tile.title;
    slot.texts.words.textContent = tileWords(tile, nameOf);
    const means = `${tile.methodName} evidence for ${tile.subject} at ${layerWords(tile.layer)}, laid over ${bundle.source}`;
    stage.say(tile.map ? `${means}. ${slot.texts.words.textContent}` : `${means}: not computed yet`);
    const key = tile.against ? [tile.method, tile.layer, tile.code, tile.against].join(" ") : tile.map;
    if (!tile.map || slot.fieldOf === key) return;
    const [width, height] = canvasSize(bundle.box);
    Object.assign(stage.canvas, { width, height });
    slot.field = upsample(tile.map, width, height);
    slot.fieldOf = key;
  }
  function paintAll() {
    const perArea = state.mode === "by layer" && shared();
    ranges = comparisonRanges(tiles, { shared: shared(), signed: signed(), perArea });
    const table = tables[signed() ? "signed" : state.colours];
    const pixels = palette(table, { signed: signed(), threshold: state.threshold, fade: true });
    ranges.forEach((one, index) => {
      if (!one) return;
      const { stage, field } = pool[index];
      const context = penOf(stage.canvas);
      paint(context, field, one.range, pixels, context.createImageData(stage.canvas.width, stage.canvas.height));
    });
    paintLegend(table, perArea);
    blend();
    readOut();
  }
  /** @param {Uint8Array} table @param {boolean} perArea */
  function paintLegend(table, perArea) {
    legend.paint(table, { signed: signed(), threshold: state.threshold });
    const end = ranges.find((one) => one !== null)?.most ?? 0;
    const unit = perArea ? "logit per picture area" : "logit in a cell";
    if (shared()) {
      legend.least.textContent = signed() ? `against −${units(end)}` : "no evidence";
      legend.most.textContent = `${signed() ? "for +" : ""}${units(end)} (${unit})`;
    } else {
      legend.least.textContent = signed() ? "most against" : "no evidence";
      legend.most.textContent = signed() ? "most for, in each tile" : "most in each tile";
    }
    meaning.textContent = scaleWords(state.mode, shared());
  }
  function blend() {
    for (const { stage } of pool) stage.canvas.style.opacity = String(state.alpha);
  }
  function subjectWords() {
    const block = layerWords(state.layer);
    return {
      "by class": `the evidence for each class at ${block}`,
      "by layer": `the evidence for ${nameOf(explained())} at each layer`,
      "by method": `the evidence for ${nameOf(explained())} at ${block}, by each method`,
      "why one and not another": `why ${nameOf(explained())} and not ${nameOf(other())}, at ${block}`,
      "two pictures": `the evidence for ${nameOf(explained())} at ${block}, in two pictures`,
      "two models": `the evidence for ${nameOf(explained())} at ${block}, by two models`,
    }[state.mode];
  }
  function answerWords() {
    const two = state.mode === "two models";
    const [first, second, seen] = bundles;
    return [first, state.mode === "two pictures" ? second : null, two ? seen : null]
      .filter((bundle) => bundle !== null)
      .map(({ source, predicted, refused, drawn }, index) => {
        const who = two ? model.get("models")[index] ?? "the model" : `the ${answerer({ drawn })}`;
        return `${two && index ? "" : `${source}: `}${who} ${refused ? `gives no answer, because ${refused} (forced: ${nameOf(predicted)})` : `answers ${nameOf(predicted)}`}.`;
      })
      .join(" ");
  }

  // --- pointer ---------------------------------------------------------------------------------------------------
  function readOut() {
    tiles.forEach((tile, index) => {
      pool[index].stage.point(pointed);
      const one = ranges[index];
      pool[index].texts.value.textContent = !tile.map || !one ? "" : pointed ? here(pointed, tile.bundle, tile.map, one) : largest(tile.map, one);
    });
  }
  /** @param {number} value @param {TileScale} one */
  const share = (value, { most: end }) => (end > 0 && shared() ? `, ${percent(Math.abs(value) / end)} of the scale` : "");
  /** @param {RawMap} map @param {TileScale} one */
  function largest(map, one) {
    if (!signed()) return `largest ${units(one.ends)}${share(one.ends, one)}`;
    return `for up to ${units(Math.max(0, map.high) * one.factor)}, against up to ${units(Math.max(0, -map.low) * one.factor)}`;
  }
  /** @param {Point} at @param {CaseBundle} bundle @param {RawMap} map @param {TileScale} one */
  function here(at, bundle, map, one) {
    const raw = valueInPicture(at, bundle, map);
    if (raw === null) return "here: not seen by the network";
    const value = raw * one.factor;
    return `here ${units(value)}${value < 0 ? ", against" : share(value, one)}`;
  }
  function announce() {
    const next = `${what.textContent}. ${meaning.textContent} ${tiles.map(({ title, map }, index) => `${title}: ${map ? pool[index].texts.words.textContent : "not computed yet"}`).join(" ")}`;
    if (spoken && next !== spoken) live.textContent = `${what.textContent}. ${meaning.textContent}`;
    spoken = next;
  }
  /** @param {number} du @param {number} dv */
  function movePoint(du, dv) {
    /** @param {number} value */
    const stay = (value) => Math.min(1, Math.max(0, value));
    pointed = pointed ? { u: stay(pointed.u + du / eye.state.scale), v: stay(pointed.v + dv / eye.state.scale) } : { u: 0.5, v: 0.5 };
    const { scale: times, x, y } = eye.state; // the picture follows the point when it would leave the stage
    /** @param {number} at @param {number} offset */
    const beyond = (at, offset) => Math.min(0, at * times + offset - 0.05) + Math.max(0, at * times + offset - 0.95);
    eye.pan(-beyond(pointed.u, x), -beyond(pointed.v, y));
    readOut();
    live.textContent = tiles.map(({ title }, index) => `${title}: ${pool[index].texts.value.textContent}`).join("; ");
  }

  // --- keys, focus -----------------------------------------------------------------------------------------------
  /** @type {Record<string, () => void>} */
  const keys = { ...mapKeys({ state, codes, explained, layers, choose, eye }), Escape: () => onPoint(null) };
  /** @type {Record<string, () => void>} */
  const shifted = {
    ArrowRight: () => movePoint(0.025, 0),
    ArrowLeft: () => movePoint(-0.025, 0),
    ArrowUp: () => movePoint(0, -0.025),
    ArrowDown: () => movePoint(0, 0.025),
  };
  grid.addEventListener("keydown", (event) => {
    const act = (event.shiftKey && shifted[event.key]) || keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !bundles[0]) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });

  // --- pictures and maps arrive ----------------------------------------------------------------------------------
  /** @param {0 | 1 | 2} index @param {"case" | "second" | "other"} trait @param {"maps" | "second_maps" | "other_maps"} mapTrait */
  const takePicture = (index, trait, mapTrait) => () => {
    const before = bundles[index]?.id;
    const sent = model.get(trait);
    bundles[index] = sent.box ? sent : null;
    if (index < 2) images.put(photos[index], sent.photo, "image/jpeg");
    if (before && before === sent.id) return show(); // with its photograph, or said again
    asked = new Set();
    if (index === 0) {
      eye.reset();
      spoken = live.textContent = "";
      pointed = null;
    }
    if (index < 2) {
      // Radio buttons are made anew only here: while a person moves along them they must stay.
      const answer = { value: "", label: "The answer", title: `The ${answerer(bundles[0])} answers ${bundles[0]?.predicted} for the first picture` };
      mode.fill(modes());
      target.fill([answer, ...classes.map(({ code, name }) => ({ value: code, label: code, title: name }))]);
    }
    shown.hidden = !bundles[0];
    takeMaps(index, trait, mapTrait)();
    takeMessage();
  };
  /** @param {0 | 1 | 2} index @param {"case" | "second" | "other"} caseTrait @param {"maps" | "second_maps" | "other_maps"} trait */
  const takeMaps = (index, caseTrait, trait) => () => {
    if (model.get(caseTrait).id !== bundles[index]?.id) return; // they belong to a picture that arrives with them
    sets[index] = Object.fromEntries(Object.entries(model.get(trait)).map(([key, value]) => [key, unpackMaps(value)]));
    for (const slot of pool) slot.fieldOf = null;
    show();
  };
  const takeMessage = () => {
    const [trouble, name] = [line.trouble(), model.get("waiting")];
    note.textContent = name && isLost(trouble) ? unansweredWords(trouble, name) : model.get("message");
    empty.hidden = Boolean(bundles[0] || note.textContent);
  };
  /** @type {[Change<CompareTraits>, () => void][]} */
  const listeners = [
    ["change:case", takePicture(0, "case", "maps")],
    ["change:second", takePicture(1, "second", "second_maps")],
    ["change:maps", takeMaps(0, "case", "maps")],
    ["change:second_maps", takeMaps(1, "second", "second_maps")],
    ["change:other", takePicture(2, "other", "other_maps")],
    ["change:other_maps", takeMaps(2, "other", "other_maps")],
    ["change:models", show],
    ["change:message", takeMessage],
    ["change:waiting", takeMessage],
  ];
  for (const [name, listener] of listeners) model.on(name, listener);
  takePicture(1, "second", "second_maps")();
  takePicture(2, "other", "other_maps")();
  takePicture(0, "case", "maps")();
  return () => {
    for (const [name, listener] of listeners) model.off(name, listener);
    line.release();
    release();
    images.release();
  };
}
