// Two hundred prompts of our own, whose scores are kept so that no change moves the router unseen.

const tasks: readonly ((subject: string) => string)[] = [
  (subject) => `What is ${subject}?`,
  (subject) => `Explain ${subject} to a ten-year-old in three sentences.`,
  (subject) => `Summarise in one line: we spent the morning on ${subject} and found nothing new.`,
  (subject) => `Is this sentence positive or negative? "I never liked ${subject}."`,
  (subject) => `Translate into French: ${subject} matters more than you think.`,
  (subject) =>
    `Which statement about ${subject} is NOT true?\nA. It is old.\nB. It is simple.\nC. It costs money.\nD. None of these.\nAnswer:`,
  (subject) =>
    `Write a Python function \`score(items: list[str]) -> dict[str, int]\` that counts how often each item is about ${subject}, ignoring case.`,
  (subject) =>
    `A class of 28 pupils studies ${subject} for 3 hours a week. If 25% leave after 6 weeks, how many pupil-hours are taught in 10 weeks?`,
  (subject) =>
    `Prove or refute: for every real $x > 0$, $\\frac{x}{1+x} < \\ln(1+x)$. Then say what this has to do with ${subject}.`,
  (subject) =>
    `You advise a ministry on ${subject}. Compare three policies, weigh cost against fairness, name the evidence you would need, and recommend one with its risks.`,
];

const subjects: readonly string[] = [
  "photosynthesis",
  "the French Revolution",
  "compound interest",
  "a hash table",
  "contract law",
  "the heart's four chambers",
  "plate tectonics",
  "supply and demand",
  "Newton's second law",
  "a chess opening",
  "public-key cryptography",
  "the water cycle",
  "Bayesian inference",
  "sourdough bread",
  "garbage collection in a virtual machine",
  "the ozone layer",
  "Kant's ethics",
  "a sonnet by Shakespeare",
  "organic chemistry",
  "vaccination",
];

/** The prompts, each task on each subject. */
export const goldenPrompts: readonly string[] = tasks.flatMap((task) =>
  subjects.map((subject) => task(subject)),
);

/** Where their scores are kept. */
export const goldenUrl = new URL("../test/router/golden-scores.json", import.meta.url);
