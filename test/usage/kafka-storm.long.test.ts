import { describeStorm } from "./kafka-storm.ts";

await describeStorm({ seconds: 600, frozenSeconds: 300 });
