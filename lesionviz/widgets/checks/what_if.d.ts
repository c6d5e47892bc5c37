// What "What if?" is told, and tells: what what_if.py makes of the traits.

interface WhatIfFound extends FoundState {
  case: string;
  name: string;
  side: number;
  diagnosis: string;
  shares: Record<string, number>;
}
interface WhatIfTools {
  kinds: string[];
  brush: [least: number, most: number];
  thing: [least: number, most: number];
  points: number;
}
interface ChangedPicture {
  case: string;
  version: number;
  picture: Bytes;
  back: number;
  forth: number;
  problem: string;
  heard: string;
}
interface ChangedAnswer {
  version: number;
  words: string;
  badge: string;
  shares: Record<string, number>;
  waits?: string;
}
interface WhatIfTraits {
  texts: CheckTexts;
  classes: LesionClass[];
  state: WhatIfFound | (UnfoundState & { case?: undefined });
  tools: WhatIfTools;
  before: { case?: string; picture?: Bytes };
  now: ChangedPicture | { [Name in keyof ChangedPicture]?: undefined };
  answer: ChangedAnswer | ({ [Name in Exclude<keyof ChangedAnswer, "waits">]?: undefined } & { waits?: string });
}
interface Said extends Message {
  kind: "said";
  heard: string[];
}
