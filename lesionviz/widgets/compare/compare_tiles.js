// What a comparison shows: which maps side by side, under which names, on which scale. Decides; compare.js draws.

const sentenceCase = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The tiles of a comparison, in order. `map` is null while it is on its way.
 *  `choice`: {mode, target, against, layer, method}, complete; `bundles` and `sets`: of the two pictures. */
function comparisonTiles({ mode, target, against, layer, method }, { classes, bundles, sets }) {
  const codes = classes.map(({ code }) => code);
  const nameOf = (code) => classes.find((one) => one.code === code)?.name ?? code;
  const methodName = (key) => bundles[0].methods.find((one) => one.key === key)?.name ?? key;
  const tile = (title, changes = {}) => {
    const one = { title, picture: 0, code: target, layer, method, against: "", subject: nameOf(changes.code ?? target), ...changes };
    const set = sets[one.picture][one.method];
    const map = (code) => set.map(one.layer, codes.indexOf(code));
    one.methodName = methodName(one.method);
    one.map = !set?.has(one.layer) ? null : one.against ? contrastMap(map(one.code), map(one.against)) : map(one.code);
    return one;
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
    default:
      return [0, 1].filter((picture) => bundles[picture].box).map((picture) => tile(bundles[picture].source, { picture }));
  }
}

/** For each tile what its colours mean: `factor` from a cell's value to what is shown, `ends` (the tile's own largest),
 *  `most` (the end of its scale), both times the factor, and the `range` for painting. */
function comparisonRanges(tiles, { shared, signed, perArea }) {
  const factor = ({ map }) => (perArea ? map.cells * map.cells : 1);
  const end = ({ map }) => (signed ? Math.max(map.high, -map.low) : Math.max(0, map.high));
  const largest = Math.max(0, ...tiles.filter(({ map }) => map).map((tile) => end(tile) * factor(tile)));
  return tiles.map((tile) => {
    if (!tile.map) return null;
    const ends = end(tile) * factor(tile);
    const most = shared ? largest : ends;
    return { factor: factor(tile), ends, most, range: rangeUpTo(most / factor(tile), signed) };
  });
}

/** Whether all tiles share a scale when the person has not said so. Values of different methods are different things. */
const sharesByItself = (mode) => mode !== "by method";

/** Whether evidence against is drawn too when the person has not said so. A contrast has two sides. */
const signedByItself = (mode) => mode === "why one and not another";

/** What the scale means, and why it is as it is. */
function scaleWords(mode, shared) {
  if (!shared) {
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
  }[mode];
}

/** What a tile says besides its colours. */
function tileWords({ map, against, code, layer }, nameOf) {
  if (!against) return map.words;
  return map.high > 0
    ? `Evidence for ${nameOf(code)} exceeds that for ${nameOf(against)} by up to ${units(map.high)} in a cell${map.low < 0 ? `, and falls behind by up to ${units(-map.low)}` : ""}.`
    : `At ${layer} the evidence for ${nameOf(code)} nowhere exceeds that for ${nameOf(against)}.`;
}
