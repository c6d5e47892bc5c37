// What the teacher's page is told: what teacher.py and Classroom.teacher_view() of game/classroom.py make.

/** What stays the same while the page is open. `alone`: nobody else can open `address`. `bound`: only `places` and what lies below may be opened. */
interface TeacherFacts {
  classes: LesionClass[];
  notice: string;
  address: string;
  alone: boolean;
  places: string[];
  bound: boolean;
  token: string;
}
interface TeacherState {
  version: number;
  phase: "waiting" | "question" | "revealed" | "over";
  drawn: boolean;
  set: { name: string; counts: Record<string, number>; drawn: boolean; most: number; problems: string[]; source: string };
  learners: ClassLearner[];
  counted: number;
  score: Score;
  model: ModelScore;
  matrices: Matrix[];
  problems: string[];
  file: { path: string; problem: string };
  lost: string;
}
interface ClassLearner extends LearnerScore {
  here: boolean;
  answered: boolean;
}
/** The same while a case is on view; what follows `last` is known once it is revealed. */
interface TeacherCase extends TeacherState {
  quiz: number;
  case: number;
  of: number;
  width: number;
  height: number;
  answered: number;
  here: number;
  last: boolean;
  truth?: string;
  tally?: Record<string, number>;
  verdict?: Omit<ModelVerdict, "html"> | null;
  image?: string;
}

/** What the teacher does, and what it is about; `refused` hears why it cannot be done, where the page's head is not the place for that. */
type Move = "open" | "start" | "reveal" | "next" | "finish" | "delete";
type DoMove = (move: Move, about?: { folder?: string | null; cases?: number; seed?: number; case?: number }, refused?: (sentence: string) => void) => Promise<boolean>;

/** A part of the page that follows the state. */
interface TeacherPart {
  node: HTMLElement;
  show(state: TeacherState): void;
}
