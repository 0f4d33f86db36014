/** 200 prompts of our own: twenty kinds of request about ten subjects each. */
const kinds: readonly ((subject: string) => string)[] = [
  (subject) => `What is ${subject}?`,
  (subject) => `Explain ${subject} to a child in two sentences.`,
  (subject) => `Summarize what is known about ${subject} in five bullet points.`,
  (subject) => `Write a limerick about ${subject}.`,
  (subject) => `Translate into Spanish: "We talked about ${subject} all evening."`,
  (subject) => `Is this sentence positive, negative or neutral? "I am tired of ${subject}."`,
  (subject) => `List three common misconceptions about ${subject} and refute each with evidence.`,
  (subject) => `Compare ${subject} with its closest alternative in a table with four rows.`,
  (subject) => `Prove or refute: every statement about ${subject} can be decided by an algorithm.`,
  (subject) =>
    `Let $n$ be the number of articles on ${subject}. If $n^2 - 7n + 12 = 0$, find all $n$.`,
  (subject) =>
    `Write a Python function that counts how often "${subject}" occurs in a text.\ndef count(text):\n`,
  (subject) =>
    `Why does this fail?\nconst topic = "${subject}";\ntopic.push("more");\nconsole.log(topic.length);`,
  (subject) =>
    `Which of these is about ${subject}?\nA. A river\nB. A theorem\nC. A recipe\nD. None of them\nAnswer:`,
  (subject) => `Draft a polite e-mail that declines an invitation to a talk on ${subject}.`,
  (subject) => `Return JSON with the fields "name" and "year" for the first book on ${subject}.`,
  (subject) =>
    `A train with 14 crates of ${subject} leaves at 9:40 and travels 210 km at 84 km/h. When does it arrive?`,
  (subject) =>
    `You are a lawyer. Name the risks of a contract about ${subject} between two companies in different countries.`,
  (subject) => `Erkläre in drei Sätzen, was ${subject} mit dem Alltag zu tun hat.`,
  (subject) =>
    `Design a distributed system that stores measurements of ${subject}; discuss consistency, failure and cost.`,
  (subject) =>
    `Continue the story: The door opened, and behind it there was nothing but ${subject}.`,
];

const subjects = [
  "quantum computing",
  "photosynthesis",
  "the French Revolution",
  "prime numbers",
  "sourdough bread",
  "garbage collection",
  "plate tectonics",
  "compound interest",
  "jazz harmony",
  "vaccines",
];

/** All of them, in a fixed order. */
export const prompts: readonly string[] = kinds.flatMap((kind) => subjects.map(kind));
