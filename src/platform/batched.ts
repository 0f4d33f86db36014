// Answers many questions with one piece of work.

type Waiting<Question, Answer> = {
  readonly question: Question;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
};

/**
 * Questions that come while the work is done wait and share the next one, so that each gets an answer that is
 * not older than itself. One piece of work runs at a time; if it fails, all who waited for it are told.
 */
export class Batched<Question, Answer> {
  readonly #work: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #questionsMax: number;
  #waiting: Waiting<Question, Answer>[] = [];
  #running = false;

  /** `work` gives the answers in the order of the questions, of which it gets `questionsMax` at most. */
  constructor(
    questionsMax: number,
    work: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  ) {
    this.#questionsMax = questionsMax;
    this.#work = work;
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // What is asked in the same turn of the event loop shares the first piece of work.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#questionsMax);
      try {
        const answers = await this.#work(batch.map(({ question }) => question));
        for (const [at, { resolve, reject }] of batch.entries()) {
          const answer = answers[at];
          if (answer === undefined) reject(new Error("a question was not answered"));
          else resolve(answer);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }
}
