import { describeFleetMixed } from "./fleet-mixed.ts";

await describeFleetMixed(0.25);
