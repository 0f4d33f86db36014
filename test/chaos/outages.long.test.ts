import { describeOutages, slowerCells } from "./outage-suite.ts";

await describeOutages(300_000, slowerCells);
