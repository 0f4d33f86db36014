import { describeFleetKills } from "./fleet-kills.ts";

await describeFleetKills({ gateway: 100, consumer: 100, clickhouse: 20, broker: 20 }, 3_600_000);
