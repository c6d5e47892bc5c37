// What a widget sends over a line that may be lost (lifeline.js), and how it goes on afterwards. The old connection may have lost
// anything, both ways. Over a new one the kernel is therefore asked to say everything once more ({kind: "say again"}; recovery.py).
// When it has, it answers {kind: "said"} and what it has of the widget's doings, and the widget sends what is missing there, under
// the name that it had: what comes twice under one name is passed over.
// @ts-check

/** Watch the line of a widget: `onLine()` at each change of it, `onSaid(content)` when the kernel has said everything again.
 *  `trouble()` is what is wrong with it in one word, or "there"; also where there is no kernel at all.
 * @template {Message} Told
 * @param {Wire<Told>} model
 * @param {{onLine?: () => void, onSaid?: (content: Extract<Told, {kind: "said"}>) => void}} [heard]
 */
function recovery(model, { onLine = () => {}, onSaid = () => {} } = {}) {
  const line = lifeline(model);
  /** @param {Told} content */
  const hear = (content) => {
    if (content?.kind === "said") onSaid(/** @type {Extract<Told, {kind: "said"}>} */ (content));
  };
  model.on("msg:custom", hear);
  let made = false; // how the line stands now the widget sees when it draws itself
  const leave = line?.listen((_state, again) => {
    if (made) onLine();
    if (again) model.send({ kind: "say again" });
  });
  made = true;
  return {
    /** @returns {Trouble} */
    trouble: () => line?.state().kind ?? "there",
    release() {
      leave?.();
      model.off("msg:custom", hear);
    },
  };
}

/** What to say of something that has no answer yet, by what is wrong with the line; empty where nothing is.
 * @param {Trouble} trouble
 * @param {string} name
 */
const unansweredWords = (trouble, name) =>
  ({
    there: "",
    slow: `${name} waits until the server answers.`,
    busy: `${name} waits until Python takes it up.`,
    away: `${name} has no answer yet. It gets one by itself as soon as the connection is back.`,
    gone: `${name} got no answer before Python stopped. Choose it again afterwards.`,
  })[trouble];

/** The same of many things, some of which have their answers.
 * @param {Trouble} trouble
 */
const restWords = (trouble) =>
  ({
    there: "",
    slow: "The rest waits until the server answers.",
    busy: "The rest waits until Python takes it up.",
    away: "The rest follows by itself as soon as the connection is back.",
    gone: "",
  })[trouble];

/** @param {Trouble} trouble */
const isLost = (trouble) => trouble === "away" || trouble === "gone";
