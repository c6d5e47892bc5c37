// What a learner's page of a class's quiz is told: what class_pages.py makes.

type ClassPage = FarPage | JoinPage | WaitPage | ClassQuestionPage | ClassRevealPage | ClassEndPage;

/** What could not be done last, or empty, and how often that was: two refusals in the same words are two. */
interface Refused {
  error: string;
  refusals: number;
}

/** The class cannot be reached, or was not yet. */
interface FarPage extends Refused {
  phase: "far";
  case?: undefined;
  words: string;
}
/** `name`: the one that he has; `waiting`: seats wait for their learners since a restart; `running`: a case is on view. */
interface JoinPage extends Refused {
  phase: "join";
  case?: undefined;
  name: string;
  waiting: boolean;
  running: boolean;
}
/** `wished`: the name that was typed, where somebody else has it; else empty. */
interface WaitPage extends Refused {
  phase: "wait";
  case?: undefined;
  learner: string;
  wished: string;
}
/** `answer` is empty before the commit; so many have answered of those who are there. */
interface ClassQuestionPage extends OneCase, Refused {
  phase: "question";
  quiz: number;
  wished: string;
  answer: string;
  sureness: string;
  answered: number;
  here: number;
}
/** `map`: whether there is one, which a refusal may hide. */
interface ClassRevealPage extends OneCase, Refused {
  phase: "reveal";
  quiz: number;
  truth: string;
  sentence: string;
  answer: string;
  sureness: string;
  tally: Record<string, number>;
  model: ModelVerdict | null;
  map: boolean;
  last: boolean;
}
interface ClassEndPage extends Refused {
  phase: "end";
  case?: undefined;
  learner: string;
  score: RoundScore;
  matrices: Matrix[];
  drawn: boolean;
  cases: Pick<AnsweredCase, "case" | "truth" | "answer" | "model">[];
}
