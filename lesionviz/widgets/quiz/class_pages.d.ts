// What a learner's page of a class's quiz is told: what class_pages.py makes.

type ClassPage = FarPage | JoinPage | WaitPage | ClassQuestionPage | ClassRevealPage | ClassEndPage;

/** The class cannot be reached, or was not yet. */
interface FarPage {
  phase: "far";
  case?: undefined;
  words: string;
  error: string;
}
/** `name`: the one that he has; `waiting`: seats wait for their learners since a restart; `running`: a case is on view. */
interface JoinPage {
  phase: "join";
  case?: undefined;
  name: string;
  waiting: boolean;
  running: boolean;
  error: string;
}
interface WaitPage {
  phase: "wait";
  case?: undefined;
  learner: string;
  error: string;
}
/** `answer` is empty before the commit; so many have answered of those who are there. */
interface ClassQuestionPage extends OneCase {
  phase: "question";
  quiz: number;
  answer: string;
  sureness: string;
  answered: number;
  here: number;
  error: string;
}
/** `map`: whether there is one, which a refusal may hide. */
interface ClassRevealPage extends OneCase {
  phase: "reveal";
  quiz: number;
  error: string;
  truth: string;
  sentence: string;
  answer: string;
  sureness: string;
  tally: Record<string, number>;
  model: ModelVerdict | null;
  map: boolean;
  last: boolean;
}
interface ClassEndPage {
  phase: "end";
  case?: undefined;
  error: string;
  learner: string;
  score: RoundScore;
  matrices: Matrix[];
  cases: Pick<AnsweredCase, "case" | "truth" | "answer" | "model">[];
}
