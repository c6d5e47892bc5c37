// A stage: one picture with a map laid over it, zoomed and panned together with the other stages of its camera.
// @ts-check

const FARTHEST = 16; // times enlarged

/** A place of a picture or a stage, 0 to 1 across and down. @typedef {{u: number, v: number}} Point */
/** Where a camera looks: how many times enlarged, and the offset of the picture's corner in shares of the stage.
 * @typedef {{scale: number, x: number, y: number}} Look
 */
/** @typedef {ReturnType<typeof camera>} Camera */
/** @typedef {ReturnType<typeof makeStage>} Stage */

/** Where all stages look. `onChange` hears of every move.
 * @param {(look: Look) => void} onChange
 */
function camera(onChange) {
  /** @type {Set<(look: Look) => void>} */
  const followers = new Set();
  /** @type {Look} */
  const state = { scale: 1, x: 0, y: 0 };
  /** @param {number} scale @param {number} x @param {number} y */
  function move(scale, x, y) {
    state.scale = Math.min(FARTHEST, Math.max(1, scale));
    const room = 1 - state.scale; // the picture always covers the stage
    state.x = Math.min(0, Math.max(room, x));
    state.y = Math.min(0, Math.max(room, y));
    for (const follower of followers) follower(state);
    onChange(state);
  }
  return {
    state,
    /** @param {(look: Look) => void} follower */
    follow(follower) {
      followers.add(follower);
      follower(state);
    },
    /** @param {number} dx @param {number} dy */
    pan: (dx, dy) => move(state.scale, state.x + dx, state.y + dy),
    reset: () => move(1, 0, 0),
    /** Enlarge by a factor; the point (u, v) of the stage, 0 to 1, stays where it is.
     * @param {number} factor
     */
    zoom(factor, u = 0.5, v = 0.5) {
      const scale = Math.min(FARTHEST, Math.max(1, state.scale * factor));
      const grown = scale / state.scale;
      move(scale, u - (u - state.x) * grown, v - (v - state.y) * grown);
    },
  };
}

/** A camera, and buttons that say how near it is. */
function zoomTools() {
  const value = element("output", { className: "lv-zoom-value", textContent: "100%" });
  const whole = button("Whole picture", () => eye.reset(), { disabled: true });
  const eye = camera(({ scale }) => {
    value.textContent = percent(scale);
    whole.disabled = scale === 1;
  });
  const node = element(
    "div",
    { className: "lv-zoom", role: "group", ariaLabel: "Zoom" },
    button("−", () => eye.zoom(1 / 1.5), { ariaLabel: "Zoom out" }),
    value,
    button("+", () => eye.zoom(1.5), { ariaLabel: "Zoom in" }),
    whole,
  );
  return { eye, node };
}

/** Make a stage. `onPoint({u, v})` gets the point of the picture under the pointer, or null when it leaves.
 * @param {Camera} eye
 * @param {{label: string, onPoint?: (at: Point | null) => void}} options
 */
function makeStage(eye, { label, onPoint = () => {} }) {
  const photo = element("img", { className: "lv-photo", draggable: false, alt: "" });
  const ground = element("div", { className: "lv-ground" }); // what the network saw
  const canvas = element("canvas", { className: "lv-veil" });
  canvas.setAttribute("aria-hidden", "true"); // the stage's own name says what it shows
  const frame = element("div", { className: "lv-crop" });
  const under = element("div", { className: "lv-world" }, photo);
  const over = element("div", { className: "lv-world" }, ground, canvas);
  const marks = element("div", { className: "lv-world lv-marks" }, frame);
  const cross = element("div", { className: "lv-cross", hidden: true });
  const clip = element("div", { className: "lv-clip" }, over); // cut in the stage's own frame, whatever the zoom
  const node = element("div", { className: "lv-stage" }, under, clip, marks, cross);
  node.setAttribute("role", "img");
  /** @type {Map<number, Point>} */
  const pointers = new Map();

  eye.follow(({ scale, x, y }) => {
    for (const world of [under, over, marks]) world.style.transform = `translate(${x * 100}%, ${y * 100}%) scale(${scale})`;
    marks.style.setProperty("--lv-zoom", String(scale));
    node.classList.toggle("lv-zoomed", scale > 1);
  });
  /** @param {MouseEvent} event @returns {Point} of the stage */
  const share = (event) => {
    const rectangle = node.getBoundingClientRect();
    return { u: (event.clientX - rectangle.left) / rectangle.width, v: (event.clientY - rectangle.top) / rectangle.height };
  };
  /** @param {Point} at @returns {Point} */
  const onPicture = ({ u, v }) => ({ u: (u - eye.state.x) / eye.state.scale, v: (v - eye.state.y) / eye.state.scale });

  node.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // an ordinary wheel scrolls the page
      event.preventDefault();
      const at = share(event);
      eye.zoom(Math.exp(-event.deltaY / 200), at.u, at.v);
    },
    { passive: false },
  );
  node.addEventListener("dblclick", (event) => {
    const at = share(event);
    eye.zoom(2, at.u, at.v);
  });
  node.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, share(event));
    if (eye.state.scale > 1 || pointers.size > 1) node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    const now = share(event);
    const before = pointers.get(event.pointerId);
    if (before) {
      if (pointers.size === 1 && eye.state.scale > 1) eye.pan(now.u - before.u, now.v - before.v);
      const other = pointers.size === 2 && [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        /** @param {Point} point */
        const distance = (point) => Math.hypot(point.u - other.u, point.v - other.v);
        eye.zoom(distance(now) / Math.max(0.01, distance(before)), (now.u + other.u) / 2, (now.v + other.v) / 2);
      }
      pointers.set(event.pointerId, now);
    }
    onPoint(onPicture(now));
  });
  /** @param {PointerEvent} event */
  const lift = (event) => pointers.delete(event.pointerId);
  node.addEventListener("pointerup", lift);
  node.addEventListener("pointercancel", lift);
  node.addEventListener("pointerleave", () => onPoint(null));

  return {
    node,
    photo,
    canvas,
    over,
    /** @param {string} text */
    say: (text) => node.setAttribute("aria-label", text || label),
    /** Lay ground, canvas and frame over the part of the picture that the network saw, and take its proportions.
     * @param {Pick<CaseBundle, "box" | "width" | "height">} bundle
     */
    place({ box, width, height }) {
      const [left, top, right, bottom] = box;
      node.style.setProperty("--lv-ratio", String(width / height));
      for (const part of [ground, canvas, frame]) {
        Object.assign(part.style, {
          left: `${(left / width) * 100}%`,
          top: `${(top / height) * 100}%`,
          width: `${((right - left) / width) * 100}%`,
          height: `${((bottom - top) / height) * 100}%`,
        });
      }
    },
    /** Lay the photo over the whole stage, or, while only the network's input is here, that over its part.
     * @param {boolean} on
     */
    preview(on) {
      for (const side of /** @type {const} */ (["left", "top", "width", "height"])) photo.style[side] = on ? canvas.style[side] : "";
    },
    /** Show where the pointer is on another stage.
     * @param {Point | null} at
     */
    point(at) {
      cross.hidden = !at;
      if (!at) return;
      cross.style.left = `${(at.u * eye.state.scale + eye.state.x) * 100}%`;
      cross.style.top = `${(at.v * eye.state.scale + eye.state.y) * 100}%`;
    },
  };
}

/** Whether the network saw only a part of a picture.
 * @param {Pick<CaseBundle, "box">} bundle
 */
const isCropped = ({ box }) => box[0] > 0 || box[1] > 0;

/** Width and height of the canvas for a box of the picture: fine enough for a screen, quick enough to paint at each frame.
 * @param {Box} box
 */
function canvasSize([left, top, right, bottom]) {
  const [width, height] = [right - left, bottom - top];
  const longest = 448;
  return width >= height ? [longest, Math.max(1, Math.round((longest * height) / width))] : [Math.max(1, Math.round((longest * width) / height)), longest];
}
