// Makes the files before it (front_end.py) a widget; without this one they serve a page, where there is no kernel to lose.
// @ts-check
export default {
  /** @param {View<CaseTraits, Message>} view */
  render({ model, el }) {
    const { release, askAgain } = renderCase({ model, el });
    const line = recovery(model, { onSaid: askAgain });
    return () => {
      line.release();
      release();
    };
  },
};
