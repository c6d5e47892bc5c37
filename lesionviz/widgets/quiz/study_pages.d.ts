// What a reader study's page is told: what study_pages.py makes, and the messages of study.py.

type StudyPage = StudyStart & (StudySetup | StudyBroken | StudyDesk | StudyConsent | StudyCase | StudyWaits | StudyDone | StudyDebrief | StudyEnd);
/** What every page has: what could not be done last, where the study lies, and whether there is a way back to the quiz. */
interface StudyStart {
  case?: number;
  quiz?: number;
  error: string;
  file: string;
  back: boolean;
}
interface StudyBroken {
  phase: "broken";
}
interface StudySetup {
  phase: "setup";
  set: StartPage["set"];
  cases: number;
  mostWrong: number;
  consent: string;
  limits: string;
  rule: string;
}
interface StudyReader {
  place: number;
  name: string;
  done: number;
}
interface StudyDesk {
  phase: "desk";
  source: string;
  drawn: boolean;
  of: number;
  readers: StudyReader[];
  answers: number;
  withdrawn: number;
  missing: number;
  limits: string;
}
interface StudyConsent {
  phase: "consent";
  text: string;
  drawn: boolean;
  of: number;
}
interface StudyTurn {
  case: number;
  quiz: number;
  of: number;
  reader: string;
  withAi: boolean;
}
interface StudyCase extends StudyTurn {
  phase: "case";
  width: number;
  height: number;
  sure: string[];
  ai: { html: string; overlay: Bytes; words: string } | null;
}
interface StudyWaits extends StudyTurn {
  phase: "waiting" | "paused";
}
interface StudyDone {
  phase: "done";
  reader: string;
  of: number;
  quiz: number;
}
/** `ai` is what was shown, `model` what the model itself says; empty where nobody saw the case with the AI. */
interface StudyDebrief {
  phase: "debrief";
  wrong: { case: number; image: string; truth: string; ai: string; model: string }[];
  of: number;
  rule: string;
  drawn: boolean;
}
/** A figure and the bounds of its interval; null where it could not be measured. */
type Measured = [number | null, number | null, number | null];
interface StudyFigure {
  name: string;
  unit: "" | "%";
  without: Measured;
  with: Measured;
  difference: Measured;
}
interface StudyEnd {
  phase: "results";
  drawn: boolean;
  limits: string;
  withdrawn: number;
  readers: StudyReader[];
  computing: boolean;
  found: {
    counts: { readers: number; cases: number; answers: number };
    figures: StudyFigure[];
    agreement: { arm: "all" | "without" | "with"; value: Measured }[];
    byReader: { reader: string; without: number | null; of_without: number; with: number | null; of_with: number }[];
    matrices: Matrix[];
  } | null;
}

type StudyTold = QuizPassed | { kind: "said" };
/** Tells Python what a person does. */
type StudySend = (message: QuizMessage) => void;
