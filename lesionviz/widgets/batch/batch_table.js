// The table of a batch: sorted, filtered, a page at a time, so that thousands of rows stay quick. Knows nothing of
// files and kernel.
// @ts-check

const PAGE = 50;
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
/** What is said of a file without an answer. @type {Record<string, string>} */
const OUTCOMES = { refused: "No answer", failed: "Failed" };
/** @param {number} share */
const shareWords = (share) => `${(share * 100).toFixed(1)}%`;
const nothing = () => element("span", {}, element("span", { textContent: "–", ariaHidden: "true" }), element("span", { className: "lv-unseen", textContent: "none" }));

/** `value` of a row is what the column sorts by: words where `text`, else numbers, a probability where `share`; none sorts last.
 * @typedef {{key: string, title: string, name: string, text?: false, share?: boolean, value: (row: Row) => number | undefined}} NumberColumn
 * @typedef {{key: string, title: string, name: string, text: true, share?: false, value: (row: Row) => string}} TextColumn
 * @typedef {NumberColumn | TextColumn} Column
 */
/** A row with its answer. @typedef {Row & {diagnosis: string, probabilities: number[]}} ValidRow */

/** `canOpen(row)` tells whether a name is a button, `onOpen(row)` hears of it, `onChange(shown)` of every new view of
 *  the rows, `say(text)` speaks.
 * @param {{
 *   classes: LesionClass[],
 *   canOpen: (row: Row) => boolean,
 *   onOpen: (row: Row) => void,
 *   onChange: (shown: number) => void,
 *   say: (text: string) => void,
 * }} options
 */
function batchTable({ classes, canOpen, onOpen, onChange, say }) {
  /** @type {Row[]} */
  let rows = [];
  let forced = false;
  let sort = { key: "number", down: false };
  let filter = { kind: "", text: "" };
  let page = 0;
  /** @type {Map<Row, {node: HTMLTableRowElement, image: HTMLImageElement}>} */
  const built = new Map(); // the lines of the page on view only
  const urls = pictures();

  /** Whether an answer is shown: every one but a refused picture's, and that when it is asked for.
   * @param {Row} row
   * @returns {row is ValidRow}
   */
  const valid = (row) => row.outcome === "answered" || (forced && row.outcome === "refused");
  /** @param {Row} row */
  const best = (row) => (valid(row) ? Math.max(...row.probabilities) : undefined);
  // Answers first, by class; then refusals, then failures, by what is wrong.
  /** @param {Row} row */
  const rank = (row) => (row.outcome === "answered" ? `0${row.diagnosis}` : row.outcome === "refused" ? `1${forced ? row.diagnosis : ""}${row.why}` : `2${row.why}`);
  /** @type {Column[]} */
  const columns = [
    { key: "number", title: "No.", name: "number", value: (row) => row.number },
    { key: "name", title: "File", name: "file name", value: (row) => row.name, text: true },
    { key: "answer", title: "Answer", name: "answer", value: rank, text: true },
    { key: "probability", title: "Probability", name: "probability of the answer", value: best, share: true },
    // Hidden until a second model has seen a row. Where the two disagree comes first.
    { key: "second", title: "Second model", name: "answer of the second model", value: (row) => `${row.agree === false ? 0 : row.second ? 1 : 2}${row.second}`, text: true },
    ...classes.map(({ code, name }, index) => {
      /** @param {Row} row */
      const value = (row) => (valid(row) ? row.probabilities[index] : undefined);
      return { key: code, title: code, name: `probability of ${name}`, value, share: true };
    }),
  ];

  // --- head ------------------------------------------------------------------------------------------------------
  const heads = columns.map((column) => {
    const arrow = element("span", { className: "lv-arrow", ariaHidden: "true" });
    const press = button("", () => sortBy(column), { title: `Sort by ${column.name}` });
    press.append(column.title, element("span", { className: "lv-unseen", textContent: column.title === column.key ? `, ${column.name}` : "" }), arrow);
    const node = element("th", { scope: "col", className: `lv-col-${column.share ? "share" : column.key}` }, press);
    return { node, arrow };
  });
  /** @param {Column} column */
  function sortBy(column) {
    // The most probable first: nobody looks for the least.
    sort = sort.key === column.key ? { key: sort.key, down: !sort.down } : { key: column.key, down: Boolean(column.share) };
    page = 0;
    draw();
    say(`Sorted by ${column.name}, ${sort.down ? "descending" : "ascending"}.`);
  }
  /** The rows in the order of a column.
   * @param {Row[]} some
   * @param {Column} column
   */
  function sorted(some, column) {
    const way = sort.down ? -1 : 1;
    if (column.text) return some.sort((a, b) => collator.compare(column.value(a), column.value(b)) * way);
    return some.sort((a, b) => {
      const [left, right] = [column.value(a), column.value(b)];
      if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined); // missing ones last
      return (left - right) * way;
    });
  }

  // --- body ------------------------------------------------------------------------------------------------------
  /** @param {Row} row */
  function answerCell(row) {
    const one = classes.find(({ code }) => code === row.diagnosis);
    const cell = element("td", { className: `lv-batch-answer lv-${row.outcome}` });
    if (row.outcome !== "answered") cell.append(element("span", { className: "lv-batch-outcome", textContent: valid(row) ? "Forced, not valid" : OUTCOMES[row.outcome] }));
    if (valid(row) && one) {
      const dot = element("i", { className: "lv-batch-dot", ariaHidden: "true" });
      dot.style.background = one.colour;
      cell.append(element("span", { className: "lv-batch-diagnosis" }, dot, element("b", { textContent: one.code }), ` ${one.name}`));
      // Beside the diagnosis where the column of probabilities is out of sight, on a phone.
      cell.append(element("span", { className: "lv-batch-near", ariaHidden: "true", textContent: shareWords(Math.max(...row.probabilities)) }));
    }
    if (row.why) cell.append(element("span", { className: "lv-batch-why", textContent: row.outcome === "refused" ? `because ${row.why}` : row.why }));
    return cell;
  }
  /** @param {Row} row */
  function secondCell(row) {
    const apart = row.agree === false ? element("b", { className: "lv-batch-apart", textContent: "Disagrees: " }) : null;
    return element("td", { className: "lv-col-second" }, apart, row.second || nothing());
  }
  /** @param {Row} row */
  function line(row) {
    const image = element("img", { alt: "", hidden: !row.thumbnail.byteLength });
    urls.put(image, row.thumbnail, "image/jpeg");
    const cut = row.name.lastIndexOf("/") + 1;
    const parts = [element("span", { className: "lv-batch-folder", textContent: row.name.slice(0, cut) }), element("span", { className: "lv-batch-file", textContent: row.name.slice(cut) })];
    const name = canOpen(row)
      ? button("", () => onOpen(row), { className: "lv-batch-name", ariaLabel: `Open ${row.name}` })
      : element("span", { className: "lv-batch-name" });
    name.append(...parts);
    const shares = columns.flatMap(({ key, share: isShare, value }) => {
      if (key === "second") return [secondCell(row)];
      if (!isShare) return [];
      const share = value(row);
      const cell = element("td", { className: "lv-col-share" }, share === undefined ? nothing() : shareWords(share));
      if (share !== undefined && key !== "probability") cell.style.setProperty("--part", String(share));
      if (valid(row) && key === row.diagnosis) cell.classList.add("lv-best");
      return [cell];
    });
    const node = element(
      "tr",
      { className: row.outcome === "refused" && forced ? "lv-invalid" : "" },
      element("td", { className: "lv-col-number", textContent: row.number }),
      element("th", { scope: "row", className: "lv-col-name" }, element("div", {}, element("span", { className: "lv-batch-thumbnail" }, image), name)),
      answerCell(row),
      ...shares,
    );
    return { node, image };
  }

  const body = element("tbody");
  const table = element("table", {}, element("caption", { className: "lv-unseen", textContent: "The model's answer for each file. The buttons in the head sort." }), element("thead", {}, element("tr", {}, ...heads.map(({ node }) => node))), body);
  const region = element("div", { className: "lv-batch-region", tabIndex: 0, role: "region", ariaLabel: "Table of answers, scrollable" }, table);
  const where = element("span");
  /** @param {number} step */
  const turn = (step) => () => {
    if (page + step < 0 || (page + step) * PAGE >= shown().length) return;
    page += step;
    draw();
    region.scrollTop = 0;
    say(where.textContent ?? "");
  };
  const back = button("Previous", turn(-1), { ariaLabel: "Previous rows" });
  const on = button("Next", turn(1), { ariaLabel: "Next rows" });
  const pager = element("nav", { className: "lv-row lv-batch-pager", ariaLabel: "Pages of the table" }, back, where, on);
  const none = element("p", { className: "lv-empty", textContent: "No file fits this filter." });

  /** @param {Row} row */
  function fits(row) {
    const { kind, text } = filter;
    if (text && !row.name.toLowerCase().includes(text)) return false;
    if (kind === "disagree") return row.agree === false;
    return !kind || (kind in OUTCOMES ? row.outcome === kind : valid(row) && row.diagnosis === kind);
  }
  const shown = () => sorted(rows.filter(fits), columns.find(({ key }) => key === sort.key) ?? columns[0]);

  function draw() {
    const all = shown();
    page = Math.min(page, Math.max(0, Math.ceil(all.length / PAGE) - 1));
    const from = page * PAGE;
    const wanted = all.slice(from, from + PAGE);
    const keep = new Set(wanted);
    for (const [row, { node, image }] of built) {
      if (keep.has(row)) continue;
      urls.put(image, null, "");
      node.remove();
      built.delete(row);
    }
    // Lines that stay where they are are not touched: moving one would take the focus from it.
    wanted.forEach((row, index) => {
      const { node } = built.get(row) ?? add(row);
      node.ariaRowIndex = String(from + index + 2);
      if (body.children[index] !== node) body.insertBefore(node, body.children[index] ?? null);
    });
    table.ariaRowCount = String(all.length + 1);
    columns.forEach(({ key }, index) => {
      const chosen = key === sort.key;
      const { node, arrow } = heads[index];
      if (chosen) node.ariaSort = sort.down ? "descending" : "ascending";
      else node.removeAttribute("aria-sort");
      arrow.textContent = chosen ? (sort.down ? "▼" : "▲") : "↕";
      node.classList.toggle("lv-sorted", chosen);
    });
    pager.hidden = all.length <= PAGE;
    where.textContent = `Rows ${(from + 1).toLocaleString()} to ${(from + wanted.length).toLocaleString()} of ${all.length.toLocaleString()}`;
    back.ariaDisabled = String(page === 0);
    on.ariaDisabled = String(from + PAGE >= all.length);
    region.hidden = !all.length;
    table.classList.toggle("lv-one-model", rows.every(({ second }) => !second));
    none.hidden = Boolean(all.length) || !rows.length;
    onChange(all.length);
  }
  /** @param {Row} row */
  function add(row) {
    const one = line(row);
    built.set(row, one);
    return one;
  }
  function forget() {
    for (const { image } of built.values()) urls.put(image, null, "");
    built.clear();
    body.replaceChildren();
  }

  return {
    node: element("div", { className: "lv-batch-table" }, region, none, pager),
    draw,
    /** @param {Row[]} next */
    set(next) {
      if (next !== rows) forget();
      rows = next;
    },
    /** @param {{kind?: string, text?: string}} next */
    setFilter(next) {
      filter = { ...filter, ...next };
      page = 0;
      draw();
    },
    /** @param {boolean} next */
    setForced(next) {
      forced = next;
      forget(); // what a line says has changed
      draw();
    },
    release: () => urls.release(),
  };
}
