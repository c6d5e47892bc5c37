// What the quiz's page is told: what pages.py makes, the traits of panel.py, and the messages of folder.py and messages.py.

interface QuizTraits<Page = QuizPage> {
  page: Page | { phase?: undefined; error?: undefined; refusals?: undefined };
  photo: Bytes;
  classes: LesionClass[];
  notice: string;
}
type QuizPage = StartPage | QuestionPage | RevealedPage | EndPage;

/** A page is another one when one of these is. */
interface AnyPage {
  phase: string;
  case?: number;
  quiz?: number;
}

/** Right answers of so many; the model's are counted over the cases, each once. */
interface Score {
  right: number;
  of: number;
}
interface ModelScore extends Score {
  none: number;
  waiting: number;
}
interface RoundScore extends Score {
  model: ModelScore;
}
interface LearnerScore extends Score {
  name: string;
}

interface StartPage {
  phase: "start";
  case?: undefined;
  set: { name: string; counts: Record<string, number>; drawn: boolean; most: number; problems: string[] };
  cases: number;
  learners: LearnerScore[];
  suggested: string;
  study: boolean;
  error: string;
}
interface OneCase {
  case: number;
  of: number;
  learner: string;
  width: number;
  height: number;
  score: RoundScore;
  leftOut: number;
  sure: string[];
  drawn: boolean;
}
interface QuestionPage extends OneCase {
  phase: "question";
}
interface RevealedPage extends OneCase {
  phase: "reveal" | "look";
  truth: string;
  answer: string;
  sureness: string;
  sentence: string;
  image: string;
  model: ModelVerdict | null;
  second: (Omit<ModelVerdict, "html"> & { first: string; title: string }) | null;
  last: boolean;
}
/** `code` is a diagnosis', or another word where there is no answer, for a `reason`; `html`: the answer with its bars. */
interface ModelVerdict {
  code: string;
  reason: string;
  html: string;
  failed: boolean;
}
interface EndPage {
  phase: "end";
  case?: undefined;
  learner: string;
  score: RoundScore;
  matrices: Matrix[];
  cases: AnsweredCase[];
  learners: LearnerScore[];
  leftOut: string[];
  drawn: boolean;
  error: string;
}
/** A confusion matrix: `counts` has a row for each true class, and in it a number for each of `columns`. */
interface Matrix {
  who: "learner" | "class" | "model";
  title: string;
  columns: string[];
  counts: number[][];
}
/** `model` is a code, or why there is none in words, or empty while the model is at it. */
interface AnsweredCase {
  case: number;
  truth: string;
  answer: string;
  model: string;
  image: string;
  thumbnail: Bytes;
}

/** What Python says of the folder that is on its way, by the number that this page gave it. */
type FolderTold =
  | { kind: "wanted"; folder: number; files: number[] }
  | { kind: "took"; folder: number; file: number }
  | { kind: "refused" | "ended"; folder: number };
type QuizTold = FolderTold | QuizPassed | FolderSaid;
/** A table to save; or that another part of the page has taken this one's place. */
type QuizPassed = { kind: "csv"; name: string; text: string } | { kind: "turned" };
interface FolderSaid {
  kind: "said";
  folder: number;
  files: number[];
}

/** A page on view. `update` shows the same page as it stands now, and gets none of another phase or case. */
interface PageOnView<Page = QuizPage> {
  node: HTMLElement;
  heading: HTMLElement;
  words: string;
  update?(page: Page): void;
  keys?: Record<string, () => void>;
}
/** What a person does, as messages.py takes it, and study.py. */
type QuizMessage = {
  kind: string;
  learner?: string;
  cases?: number;
  case?: number;
  answer?: string;
  sure?: string;
  reader?: number;
  seed?: number;
  share?: number;
  consent?: string;
  what?: "answers" | "design" | "results";
};
