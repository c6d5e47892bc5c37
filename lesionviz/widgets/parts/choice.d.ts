// The picture that was chosen last, as picker, page and Python tell each other of it.

/** Where it stands: `Kind` of status.py. */
type PictureKind = "empty" | "held" | "receiving" | "working" | "answered" | "refused" | "failed";

/** What Status of status.py says of it; the picture only where it gets no answer. */
interface PictureState {
  kind: PictureKind;
  words: string;
  request: string;
  name: string;
  picture?: Bytes;
}

/** What the picker tells the page at once. */
type Choice = Pick<PictureState, "kind" | "name" | "request">;
interface DocumentEventMap {
  "lesionviz:chosen": CustomEvent<Choice>;
}
