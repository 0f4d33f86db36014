import { describeStorm } from "./kafka-storm.ts";

await describeStorm({ seconds: 60, frozenSeconds: 30 });
