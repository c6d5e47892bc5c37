// What second_panel.py tells the fold of the second model.

interface SecondState {
  busy: string;
  problem: string;
  model: { title: string; words: string; alike: string } | null;
  note: string;
  compared: ComparedModels | null;
}
/** Two answers: `shares` of a row are the first model's and the second's. */
interface ComparedModels {
  verdict: string;
  agree: boolean | null;
  models: { title: string; words: string; answer: string }[];
  rows: { code: string; name: string; shares: number[]; widest: boolean }[];
  sentences: string[];
  limits: string;
}
/** What Python has of the files that this fold sent: the number of the last one. */
interface SecondSaid {
  kind: "said";
  arrived: number;
}
