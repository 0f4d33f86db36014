import { describeFleetKills } from "./fleet-kills.ts";

await describeFleetKills({ gateway: 20, consumer: 20, clickhouse: 10, broker: 5 }, 900_000);
