import { describeOutages } from "./outage-suite.ts";

await describeOutages(60_000);
