// A brush over a picture, for mouse, finger, pen and keys: what it goes over is marked until it is lifted, and then told. Knows
// nothing of what becomes of it.
// @ts-check

const STEP = 0.02; // of the picture, that an arrow key moves the brush; with Shift five times as far
const NEAR = 0.2; // of the brush, that it must move before that is a point of its own
const DOT = 0.002; // of the picture, the same for the smallest brush

/** A point of the picture, 0 to 1 across and down. @typedef {[across: number, down: number]} Spot */
/** @typedef {ReturnType<typeof makeBrush>} Brush */

/** Lay a brush over the pictures in `ground`. `shape()` is what the brush looks like: a circle that draws, or the frame of a thing
 *  that is put down, or the corner that it darkens. `onDone(points)` gets what it went over, `onKey` the keys that are not its own.
 * @param {{
 *   ground: HTMLElement,
 *   shape: () => {kind: "round" | "frame" | "corner", size: number},
 *   most: number,
 *   onDone: (points: Spot[]) => void,
 *   onKey: (event: KeyboardEvent) => boolean,
 *   onLeave: () => void,
 *   say: (words: string) => void,
 * }} options
 */
function makeBrush({ ground, shape, most, onDone, onKey, onLeave, say }) {
  const canvas = element("canvas", { className: "lv-brush-marks" });
  canvas.setAttribute("aria-hidden", "true");
  ground.append(canvas);
  /** @type {Spot} */
  let at = [0.5, 0.5];
  /** @type {Spot[] | null} */
  let stroke = null; // while the brush is down
  /** @type {Spot[]} */
  let sent = []; // what was told, until it is seen in the picture
  let sentShape = shape();
  let holding = -1; // the pointer that is down
  let over = false;

  // --- drawing ---------------------------------------------------------------------------------------------------
  const draw = oncePerFrame(() => {
    const side = Math.max(1, Math.round(ground.clientWidth * devicePixelRatio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const pen = penOf(canvas);
    pen.clearRect(0, 0, side, side);
    pen.lineCap = pen.lineJoin = "round";
    if (sent.length && sentShape.kind === "round") mark(pen, side, sent, sentShape.size);
    const now = shape();
    if (stroke && now.kind === "round") mark(pen, side, stroke, now.size);
    if (over || holding >= 0 || focusIn(ground)) outline(pen, side, now);
  });
  /** @param {CanvasRenderingContext2D} pen @param {number} side @param {Spot[]} points @param {number} size */
  function mark(pen, side, points, size) {
    pen.strokeStyle = "rgb(92 200 218 / 60%)";
    pen.lineWidth = Math.max(2, size * side);
    pen.beginPath();
    const [[x, y], ...rest] = points;
    pen.moveTo(x * side, y * side);
    for (const [nextX, nextY] of rest.length ? rest : points) pen.lineTo(nextX * side, nextY * side);
    pen.stroke();
  }
  /** @param {CanvasRenderingContext2D} pen @param {number} side @param {ReturnType<typeof shape>} now */
  function outline(pen, side, { kind, size }) {
    const [x, y] = [at[0] * side, at[1] * side];
    const half = (size * side) / 2;
    const path = new Path2D();
    if (kind === "round") path.arc(x, y, Math.max(1, half), 0, 2 * Math.PI);
    if (kind === "frame") path.rect(x - half, y - half, 2 * half, 2 * half);
    if (kind === "corner") {
      const [edgeX, edgeY] = [at[0] < 0.5 ? 0 : side, at[1] < 0.5 ? 0 : side];
      path.moveTo(Math.abs(edgeX - size * side), edgeY);
      path.lineTo(edgeX, Math.abs(edgeY - size * side));
    }
    for (const [colour, width] of /** @type {const} */ ([["#000", 4], ["#fff", 2]])) {
      pen.strokeStyle = colour; // seen on light and on dark
      pen.lineWidth = width * devicePixelRatio;
      pen.stroke(path);
    }
  }

  // --- down, along, up -------------------------------------------------------------------------------------------
  function down() {
    stroke = [at];
    draw();
  }
  /** @param {Spot} next */
  function move(next) {
    at = next;
    const last = stroke?.at(-1);
    const { kind, size } = shape();
    if (stroke && last) {
      if (kind !== "round") stroke = [at];
      else if (Math.hypot(at[0] - last[0], at[1] - last[1]) >= Math.max(DOT, NEAR * size)) stroke.push(at);
      if (stroke.length >= most) stroke = stroke.filter((_, index) => index % 2 === 0 || index === most - 1);
    }
    draw();
  }
  function up() {
    if (!stroke) return;
    const last = stroke.at(-1);
    if (last !== at) stroke.push(at);
    [sent, sentShape, stroke] = [stroke, shape(), null];
    onDone(sent);
    draw();
  }
  function drop() {
    [stroke, holding] = [null, -1];
    draw();
  }

  // --- pointers --------------------------------------------------------------------------------------------------
  /** @param {PointerEvent} event @returns {Spot} */
  const spotOf = (event) => {
    const box = ground.getBoundingClientRect();
    /** @param {number} share */
    const within = (share) => Math.min(1, Math.max(0, share));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  };
  ground.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary) return drop(); // a second finger: it is the page that is meant
    if (event.button !== 0) return;
    event.preventDefault();
    ground.focus({ preventScroll: true });
    ground.setPointerCapture(event.pointerId);
    holding = event.pointerId;
    at = spotOf(event);
    down();
  });
  ground.addEventListener("pointermove", (event) => {
    if (holding >= 0 && event.pointerId !== holding) return;
    over = true;
    const steps = holding >= 0 ? event.getCoalescedEvents?.() : [];
    for (const one of steps?.length ? steps : [event]) move(spotOf(one));
  });
  ground.addEventListener("pointerup", (event) => {
    if (event.pointerId !== holding) return;
    move(spotOf(event));
    holding = -1;
    up();
  });
  ground.addEventListener("pointercancel", drop); // the page was scrolled
  ground.addEventListener("pointerleave", () => {
    over = false;
    draw();
  });

  // --- keys ------------------------------------------------------------------------------------------------------
  /** @type {Record<string, Spot>} */
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  ground.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const way = plain ? ways[event.key] : undefined;
    const paints = plain && (event.key === " " || event.key === "Enter");
    if (!way && !paints && event.key !== "Escape" && !onKey(event)) return;
    event.preventDefault();
    event.stopPropagation();
    if (way) {
      const by = STEP * (event.shiftKey ? 5 : 1);
      const [x, y] = at.map((share, axis) => Math.min(1, Math.max(0, Math.round((share + by * way[axis]) / STEP) * STEP)));
      move([x, y]);
      say(`${stroke ? "painting, " : ""}${place()}`);
    } else if (paints && !event.repeat) {
      press();
    } else if (event.key === "Escape") {
      if (stroke) {
        drop();
        say("The stroke was let go.");
      } else onLeave();
    }
    draw();
  });
  function press() {
    if (stroke) return up();
    down();
    if (shape().kind === "round") say(`Brush down at ${place()}. Space lifts it.`);
    else up();
  }
  const place = () => `${percent(at[0])} across, ${percent(at[1])} down`;
  ground.addEventListener("focusin", draw);
  ground.addEventListener("focusout", drop);
  const watch = new ResizeObserver(draw);
  watch.observe(ground);

  return {
    draw,
    /** What was told is in the picture by now, or never will be. */
    seen() {
      sent = [];
      draw();
    },
    drop,
    release: () => watch.disconnect(),
  };
}
