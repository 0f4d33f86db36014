import { describeFleetMixed } from "./fleet-mixed.ts";

await describeFleetMixed(Number(process.env["OPTAMIL_MINUTES"] ?? 60));
