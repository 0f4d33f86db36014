import { describeOutages } from "./outage-suite.ts";

await describeOutages(300_000);
