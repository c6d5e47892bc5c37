// What a comparison shows: which maps side by side, under which names, on which scale. Decides; compare.js draws.
// @ts-check

/** @typedef {"by class" | "by layer" | "by method" | "why one and not another" | "two pictures" | "two models"} CompareMode */
/** What is compared. @typedef {{mode: CompareMode, target: string, against: string, layer: string, method: string}} Comparison */
/** The two pictures, and the first as a second model saw it, with their unpacked maps by method; what the two models are called.
 * @typedef {{classes: LesionClass[], bundles: [CaseBundle, CaseBundle | null, CaseBundle | null], sets: Record<string, MapSet>[], models?: string[]}} Compared
 */
/** One map of a comparison: of which of these three, of what, and in which words; `map` is null while it is on its way.
 * @typedef {{title: string, picture: number, bundle: CaseBundle, code: string, layer: string, method: string, against: string,
 *   subject: string, methodName: string, map: RawMap | null}} Tile
 */
/** What a tile's colours mean: `factor` from a cell's value to what is shown, `ends` (the tile's own largest), `most` (the end of
 *  its scale), both times the factor, and the `range` for painting.
 * @typedef {{factor: number, ends: number, most: number, range: ColourScale}} TileScale
 */

/** @param {string} text */
const sentenceCase = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The tiles of a comparison, in order.
 * @param {Comparison} comparison
 * @param {Compared} compared
 * @returns {Tile[]}
 */
function comparisonTiles({ mode, target, against, layer, method }, { classes, bundles, sets, models = [] }) {
  const codes = classes.map(({ code }) => code);
  /** @param {string} code */
  const nameOf = (code) => classes.find((one) => one.code === code)?.name ?? code;
  /** @param {string} key */
  const methodName = (key) => bundles[0].methods.find((one) => one.key === key)?.name ?? key;
  /** @param {string} title @param {Partial<Tile>} changes @returns {Tile} */
  const tile = (title, changes = {}) => {
    const one = { title, picture: 0, bundle: bundles[0], code: target, layer, method, against: "", subject: nameOf(changes.code ?? target), ...changes };
    return { ...one, methodName: methodName(one.method), map: mapOf(one) };
  };
  /** @param {Pick<Tile, "picture" | "method" | "layer" | "code" | "against">} one */
  const mapOf = (one) => {
    const set = sets[one.picture][one.method];
    if (!set?.has(one.layer)) return null;
    const map = set.map(one.layer, codes.indexOf(one.code));
    return one.against ? contrastMap(map, set.map(one.layer, codes.indexOf(one.against))) : map;
  };
  switch (mode) {
    case "by class":
      return codes.map((code) => tile(sentenceCase(nameOf(code)), { code }));
    case "by layer":
      return Object.entries(bundles[0].grid).map(([name, cells]) => tile(`${name}, ${cells} × ${cells} cells`, { layer: name }));
    case "by method":
      return bundles[0].methods.map(({ key, name }) => tile(name, { method: key }));
    case "why one and not another": {
      const subject = `${nameOf(target)} and not ${nameOf(against)}`;
      return [tile(sentenceCase(nameOf(target))), tile(sentenceCase(nameOf(against)), { code: against }), tile(`Why ${subject}`, { against, subject })];
    }
    case "two models":
      return [0, 2].flatMap((picture, index) => {
        const bundle = bundles[picture];
        return bundle ? [tile(models[index] ?? "this page's model", { picture, bundle })] : [];
      });
    default:
      return bundles.slice(0, 2).flatMap((bundle, picture) => (bundle ? [tile(bundle.source, { picture, bundle })] : []));
  }
}

/** For each tile what its colours mean; null where its map is not here.
 * @param {Pick<Tile, "map">[]} tiles
 * @param {{shared: boolean, signed: boolean, perArea: boolean}} options
 * @returns {(TileScale | null)[]}
 */
function comparisonRanges(tiles, { shared, signed, perArea }) {
  /** @param {RawMap} map */
  const factor = (map) => (perArea ? map.cells * map.cells : 1);
  /** @param {RawMap} map */
  const end = (map) => (signed ? Math.max(map.high, -map.low) : Math.max(0, map.high));
  const largest = Math.max(0, ...tiles.map(({ map }) => (map ? end(map) * factor(map) : 0)));
  return tiles.map(({ map }) => {
    if (!map) return null;
    const ends = end(map) * factor(map);
    const most = shared ? largest : ends;
    return { factor: factor(map), ends, most, range: rangeUpTo(most / factor(map), signed) };
  });
}

/** Whether all tiles share a scale when the person has not said so. Values of different methods are different things, and so are
 *  logits of different networks.
 * @param {CompareMode} mode
 */
const sharesByItself = (mode) => mode !== "by method" && mode !== "two models";

/** Whether evidence against is drawn too when the person has not said so. A contrast has two sides.
 * @param {CompareMode} mode
 */
const signedByItself = (mode) => mode === "why one and not another";

/** What the scale means, and why it is as it is.
 * @param {CompareMode} mode
 * @param {boolean} shared
 */
function scaleWords(mode, shared) {
  if (!shared) {
    if (mode === "two models") return "Each model has its own scale: logits of two networks are different units, so compare where evidence lies, not how much.";
    return mode === "by method"
      ? "Each method has its own scale: Grad-CAM++ adds up a damped gradient where Grad-CAM averages it, so their values cannot be compared."
      : "Each tile has its own scale: equal colours do not mean equal evidence.";
  }
  return {
    "by class": "One scale for all four classes: equal colours mean equal evidence in a cell.",
    "by layer":
      "One scale for all layers: evidence per picture area, which is a cell's value times the number of cells. Cells of features.0 are far smaller than those of features.8, so bare values cannot be compared.",
    "by method": "One scale for all methods, as you chose. Their values are different things: compare places, not strengths.",
    "why one and not another": "One scale for all three: the third map is the first minus the second, cell by cell.",
    "two pictures": "One scale for both pictures: equal colours mean equal evidence in a cell.",
    "two models": "One scale for both models, as you chose. Logits of two networks are different units: compare places, not strengths.",
  }[mode];
}

/** What a tile says besides its colours; nothing while its map is on its way.
 * @param {Pick<Tile, "map" | "against" | "code" | "layer">} tile
 * @param {(code: string) => string} nameOf
 */
function tileWords({ map, against, code, layer }, nameOf) {
  if (!map) return "";
  if (!against) return map.words;
  return map.high > 0
    ? `Evidence for ${nameOf(code)} exceeds that for ${nameOf(against)} by up to ${units(map.high)} in a cell${map.low < 0 ? `, and falls behind by up to ${units(-map.low)}` : ""}.`
    : `At ${layer} the evidence for ${nameOf(code)} nowhere exceeds that for ${nameOf(against)}.`;
}
