// What every view of maps has: the words of its classes, layer and alpha and their like, legend, keys, and the
// handing over of what a person has turned. Knows maps and stages, not what a view does with them.
// @ts-check

/** What a widget's traits say of classes and colours: `nameOf(code)`, and 256 RGB colours by the colour map's name.
 * @param {Pick<Model<Pick<MapTraits, "classes" | "tables">>, "get">} model
 */
function vocabulary(model) {
  const classes = model.get("classes");
  /** @type {Record<string, Uint8Array>} */
  const tables = {};
  for (const [name, bytes] of Object.entries(model.get("tables"))) tables[name] = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    classes,
    codes: classes.map(({ code }) => code),
    /** @param {string} code */
    nameOf: (code) => classes.find((one) => one.code === code)?.name ?? code,
    tables,
  };
}

/** The controls of a view's `state`: `choose(changes)` takes up what changes the view, `turn(changes, draw)` what is only
 *  drawn anew. `grid()` tells the cells along a side of each layer, by its name.
 * @param {{
 *   state: MapChoices,
 *   grid: () => Record<string, number> | undefined,
 *   choose: (changes: Partial<MapChoices>) => void,
 *   turn: (changes: Partial<MapChoices>, draw: () => void) => void,
 *   blend: () => void,
 *   repaint: () => void,
 * }} view
 */
function mapControls({ state, grid, choose, turn, blend, repaint }) {
  const layers = () => Object.keys(grid() ?? {});
  /** @param {string} name */
  const layerWords = (name) => {
    const cells = grid()?.[name];
    return cells ? `${name}, ${cells} × ${cells} cells` : "";
  };
  const share = { min: 0, max: 1, step: 0.01 };
  return {
    layers,
    layerWords,
    layer: slider({
      name: "Layer",
      min: 0,
      max: 8,
      step: 1,
      value: 8,
      className: "lv-layer",
      words: (index) => layerWords(layers()[index]),
      onInput: (index) => choose({ layer: layers()[index] }),
    }),
    method: dropdown({ name: "Method", value: state.method, options: [], onChange: (method) => choose({ method }) }),
    alpha: slider({ ...share, name: "Alpha", value: state.alpha, words: percent, onInput: (alpha) => turn({ alpha }, blend) }),
    threshold: slider({
      ...share,
      name: "Threshold",
      className: "lv-hiding",
      value: state.threshold,
      words: (value) => (value ? `hides below ${percent(value)}` : "off"),
      onInput: (threshold) => turn({ threshold }, repaint),
    }),
    colours: dropdown({
      name: "Colours",
      value: state.colours,
      options: ["viridis", "inferno", "jet"].map((value) => ({ value, label: value === "jet" ? "jet (misleads: not even)" : value })),
      onChange: (colours) => choose({ colours }),
    }),
  };
}

/** A bar of all colours of the scale, with words for its ends. */
function legendBar() {
  const ramp = element("canvas", { className: "lv-ramp", width: 256, height: 1 });
  ramp.setAttribute("aria-hidden", "true");
  const [least, most] = [element("span"), element("span")];
  return {
    node: element("div", { className: "lv-legend" }, least, ramp, most),
    least,
    most,
    /** @param {Uint8Array} table @param {{signed: boolean, threshold: number}} options */
    paint(table, { signed, threshold }) {
      const pen = penOf(ramp);
      const image = pen.createImageData(256, 1);
      new Uint32Array(image.data.buffer).set(palette(table, { signed, threshold, fade: false }));
      pen.putImageData(image, 0, 0);
    },
  };
}

/** What keys do on a view's pictures: arrows change class and layer, brackets alpha, the others zoom.
 * @param {{
 *   state: MapChoices,
 *   codes: string[],
 *   explained: () => string,
 *   layers: () => string[],
 *   choose: (changes: Partial<MapChoices>) => void,
 *   eye: Camera,
 * }} view
 * @returns {Record<string, () => void>}
 */
function mapKeys({ state, codes, explained, layers, choose, eye }) {
  /** @param {string[]} list @param {string} value @param {number} by */
  const step = (list, value, by) => list[Math.min(list.length - 1, Math.max(0, list.indexOf(value) + by))];
  /** @param {number} by */
  const alpha = (by) => choose({ alpha: Math.min(1, Math.max(0, Math.round(state.alpha * 20 + by) / 20)) });
  return {
    ArrowRight: () => choose({ target: step(codes, explained(), 1) }),
    ArrowLeft: () => choose({ target: step(codes, explained(), -1) }),
    ArrowUp: () => choose({ layer: step(layers(), state.layer, 1) }),
    ArrowDown: () => choose({ layer: step(layers(), state.layer, -1) }),
    "]": () => alpha(1),
    "[": () => alpha(-1),
    "+": () => eye.zoom(1.5),
    "=": () => eye.zoom(1.5),
    "-": () => eye.zoom(1 / 1.5),
    0: () => eye.reset(),
  };
}

/** What a person may turn in a view: `state` is how it stands, `choose(changes)` shows the view anew, `turn(changes, draw)` draws
 *  a part of it, `release()` ends it. The kernel is told in one message when the focus leaves the view; what it turns itself is
 *  shown at once.
 * @template Traits
 * @template {keyof Traits & string} Name
 * @param {{el: HTMLElement, model: Model<Traits, Message>, names: readonly Name[], show: () => void}} view
 */
function handOver({ el, model, names, show }) {
  const state = /** @type {Pick<Traits, Name>} */ (Object.fromEntries(names.map((name) => [name, model.get(name)])));
  let touched = false;
  function tell() {
    if (!touched) return;
    touched = false;
    for (const name of names) model.set(name, state[name]);
    model.save_changes();
  }
  // Told by where the focus comes, not by whence it goes: a click on bare ground, or a button that hides itself, takes it to
  // nowhere first, and nobody has left yet.
  /** @param {Event} event */
  const onElsewhere = (event) => {
    if (!(event.target instanceof Node && el.contains(event.target))) tell();
  };
  for (const type of ["focusin", "pointerdown"]) document.addEventListener(type, onElsewhere, true);
  document.addEventListener("visibilitychange", tell);
  const listeners = names.map((name) => {
    const listener = () => {
      if (state[name] === model.get(name)) return;
      state[name] = model.get(name);
      show();
    };
    model.on(`change:${name}`, listener);
    return /** @type {const} */ ([name, listener]);
  });
  /** @param {Partial<Pick<Traits, Name>>} changes @param {() => void} draw */
  function turn(changes, draw) {
    Object.assign(state, changes);
    touched = true;
    draw();
  }
  return {
    state,
    turn,
    /** @param {Partial<Pick<Traits, Name>>} changes */
    choose: (changes) => turn(changes, show),
    release() {
      for (const type of ["focusin", "pointerdown"]) document.removeEventListener(type, onElsewhere, true);
      document.removeEventListener("visibilitychange", tell);
      for (const [name, listener] of listeners) model.off(`change:${name}`, listener);
    },
  };
}
