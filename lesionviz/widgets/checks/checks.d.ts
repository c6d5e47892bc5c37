// What the sections of "Can I trust this answer?" are told: what check.py and the checks beside it make.

interface CheckTexts {
  title: string;
  question: string;
  button?: string;
  cost?: string;
  limits: string;
  rule?: string;
}
interface CheckTraits<Found extends FoundState = FoundState> {
  texts: CheckTexts;
  state: Found | UnfoundState;
  classes: LesionClass[];
}
interface UnfoundState {
  kind: "none" | "ready" | "asking" | "failed";
  words: string;
}
interface FoundState {
  kind: "found";
  words: string;
  badge?: string;
}

/** The set for one share of right ones. */
interface AnswerSetRow {
  percent: number;
  codes: string[];
  here: string;
  words: string;
  badge: string;
}
interface AnswerSetFound extends FoundState {
  rows: AnswerSetRow[];
}
interface AnswerSetTraits extends CheckTraits<AnswerSetFound> {
  percent: number;
}

/** Drops are shares of 1, by filling; `without` is a PNG, empty where nothing was taken away. */
interface PointingFound extends FoundState {
  verdict: "passes" | "does not pass" | "cannot tell";
  about: string;
  generally: string;
  fillings: string[];
  drops: number[];
  random_drops: number[][];
  without: Bytes;
  turned: boolean;
}

interface VariantAnswer {
  name: string;
  diagnosis: string;
  probability: number;
  words: string;
}
/** `seen` and `picture` are PNGs: what the network saw, and the variant that is `shown`. */
interface StillnessFound extends FoundState {
  generally: string;
  diagnosis: string;
  confidence: number;
  kept: number;
  worst: string;
  variants: VariantAnswer[];
  seen: Bytes;
  shown: string;
  caption: string;
  picture: Bytes;
}
