// Raw maps in the browser: unpacking, upsampling, colouring. The same rules as lesionviz/explanation/display.py and
// result.py; browser tests hold the two against each other. Decides nothing about evidence.
// @ts-check

const FULL = 32767; // what a map's largest magnitude was sent as; see bundle.py

/** A map at the size in which the network made it, row by row, in units of the logit; `words` says what it shows.
 * @typedef {{cells: number, values: Float32Array, high: number, low: number, words: string}} RawMap
 */
/** A colour scale: what 0 and 1 mean. @typedef {{signed: boolean, most: number, gain: number, offset: number}} ColourScale */
/** Unpacked maps of one method. @typedef {ReturnType<typeof unpackMaps>} MapSet */

/** Who answers for a picture: for drawings another one than for photographs.
 * @param {{drawn?: boolean} | null | undefined} bundle
 */
const answerer = (bundle) => (bundle?.drawn ? "small network" : "model");

/** The maps of one method, by layer and class.
 * @param {PackedMaps} packed
 */
function unpackMaps(packed) {
  const { buffer, byteOffset, byteLength } = packed.values;
  const values = new Int16Array(buffer.slice(byteOffset, byteOffset + byteLength)); // aligned, and our own
  /** @type {Map<string, RawMap>} */
  const found = new Map();
  let start = 0;
  for (const layer of packed.layers) {
    const size = layer.cells * layer.cells;
    for (const [index, high] of layer.high.entries()) {
      const largest = Math.max(high, -layer.low[index]) || 1;
      const cells = Float32Array.from(values.subarray(start, start + size), (value) => (value / FULL) * largest);
      found.set(`${layer.name} ${index}`, { cells: layer.cells, values: cells, high, low: layer.low[index], words: layer.words[index] });
      start += size;
    }
  }
  /** @param {string} layer @param {number} index of the class */
  function map(layer, index) {
    const one = found.get(`${layer} ${index}`);
    if (!one) throw new Error(`There is no map of class ${index} at ${layer}. Ask whether it has the layer first.`);
    return one;
  }
  return {
    map,
    /** @param {string} layer */
    has: (layer) => found.has(`${layer} 0`),
    /** Largest positive value over the classes of a layer.
     * @param {string} layer
     */
    sharedPeak: (layer) => Math.max(0, ...[0, 1, 2, 3].map((index) => map(layer, index).high)),
  };
}

/** Why one class and not another: the difference of two maps of a method that is linear in the gradient.
 * @param {RawMap} one
 * @param {RawMap} other
 * @returns {RawMap}
 */
function contrastMap(one, other) {
  const values = one.values.map((value, index) => value - other.values[index]);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  return { cells: one.cells, values, high, low, words: "" };
}

/** For each of n pixels the two cells it lies between, and the share of the second; half pixels aligned.
 * @param {number} n
 * @param {number} cells
 */
function neighbours(n, cells) {
  const first = new Int32Array(n);
  const share = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const at = Math.min(cells - 1, Math.max(0, ((i + 0.5) * cells) / n - 0.5));
    first[i] = Math.min(Math.max(0, cells - 2), Math.floor(at));
    share[i] = at - first[i];
  }
  return { first, share };
}

/** A map at another size, bilinear, for sizes of at least the map's own: what Pillow's BILINEAR gives.
 * @param {RawMap} map
 * @param {number} width
 * @param {number} height
 */
function upsample(map, width, height) {
  const { cells, values } = map;
  const columns = neighbours(width, cells);
  const rows = neighbours(height, cells);
  const wide = new Float32Array(cells * width);
  const step = cells > 1 ? 1 : 0;
  for (let y = 0; y < cells; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * cells + columns.first[x];
      wide[y * width + x] = values[at] + (values[at + step] - values[at]) * columns.share[x];
    }
  }
  const field = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const above = rows.first[y] * width;
    const below = above + step * width;
    const share = rows.share[y];
    for (let x = 0; x < width; x++) {
      field[y * width + x] = wide[above + x] + (wide[below + x] - wide[above + x]) * share;
    }
  }
  return field;
}

/** The value of a map at a point of the part of the picture that the network saw, as `upsample` would show it.
 * @param {RawMap} map
 * @param {number} u
 * @param {number} v
 */
function valueAt(map, u, v) {
  const { cells, values } = map;
  /** @param {number} share */
  const place = (share) => Math.min(cells - 1, Math.max(0, share * cells - 0.5));
  const [x, y] = [place(u), place(v)];
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, bottom] = [Math.min(cells - 1, left + 1), Math.min(cells - 1, top + 1)];
  /** @param {number} row */
  const along = (row) => values[row * cells + left] + (values[row * cells + right] - values[row * cells + left]) * (x - left);
  return along(top) + (along(bottom) - along(top)) * (y - top);
}

/** The colour scale of a map by its name, and the peak that it shares with others.
 * @param {RawMap} map
 * @param {MapScale} scale
 * @param {number} sharedPeak
 */
function scaleOf(map, scale, sharedPeak) {
  if (scale === "signed") return rangeUpTo(Math.max(map.high, -map.low) || 1, true);
  return rangeUpTo(scale === "per map" ? Math.max(0, map.high) : sharedPeak, false);
}

/** A colour scale that ends at `most`, in units of the logit; a signed one begins at its opposite.
 * @param {number} most
 * @param {boolean} signed
 * @returns {ColourScale}
 */
function rangeUpTo(most, signed) {
  return { signed, most, gain: (signed ? 0.5 : 1) / (most || 1), offset: signed ? 0.5 : 0 };
}

/** 256 pixels (little-endian RGBA): colour, and how much of it. Below the threshold nothing is left.
 *  `fade` makes the opacity grow with the evidence, so that the picture stays clear where there is none.
 * @param {Uint8Array} table of 256 RGB colours
 * @param {{signed: boolean, threshold: number, fade: boolean}} options
 */
function palette(table, { signed, threshold, fade }) {
  const pixels = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const strength = signed ? Math.abs(i / 255 - 0.5) * 2 : i / 255;
    const opacity = strength < threshold ? 0 : fade ? Math.round(strength * 255) : 255;
    pixels[i] = ((opacity << 24) | (table[3 * i + 2] << 16) | (table[3 * i + 1] << 8) | table[3 * i]) >>> 0;
  }
  return pixels;
}

/** Paint a field of raw values into a canvas of its size.
 * @param {CanvasRenderingContext2D} context
 * @param {Float32Array} field
 * @param {ColourScale} scale
 * @param {Uint32Array} pixels by level, from `palette`
 * @param {ImageData} image of the canvas's size
 */
function paint(context, field, scale, pixels, image) {
  const out = new Uint32Array(image.data.buffer);
  const { gain, offset } = scale;
  for (let i = 0; i < field.length; i++) {
    const level = (field[i] * gain + offset) * 255 + 0.5;
    out[i] = pixels[level < 0 ? 0 : level > 255 ? 255 : level | 0];
  }
  context.putImageData(image, 0, 0);
}

/** A short number in units of the logit.
 * @param {number} value
 */
function units(value) {
  if (Math.abs(value) < 1e-12) return "0";
  const text = Math.abs(value) >= 0.001 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
  return text.replace("-", "−");
}

/** A map's value at a point of the picture (0 to 1); null where the network did not look.
 * @param {Point} at
 * @param {Pick<CaseBundle, "box" | "width" | "height">} bundle
 * @param {RawMap} map
 */
function valueInPicture(at, { box: [left, top, right, bottom], width, height }, map) {
  const u = (at.u * width - left) / (right - left);
  const v = (at.v * height - top) / (bottom - top);
  return u < 0 || u > 1 || v < 0 || v > 1 ? null : valueAt(map, u, v);
}

/** How that value reads, in words.
 * @param {Point} at
 * @param {CaseBundle} bundle
 * @param {RawMap} map
 * @param {string} subject
 * @param {ColourScale} scale
 */
function reading(at, bundle, map, subject, scale) {
  const value = valueInPicture(at, bundle, map);
  if (value === null) return "The network did not see this place.";
  const share = scale.most > 0 ? ` (${percent(Math.abs(value) / scale.most)} of the scale)` : "";
  return `Here ${units(value)}${share}, ${value < 0 ? "against" : "for"} ${subject}`;
}
