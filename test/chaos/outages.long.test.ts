import { describeOutages, starvedCells } from "./outage-suite.ts";

await describeOutages(300_000, starvedCells);
