// Work that only a running gateway can do.
import { OptamilError } from "../platform/errors.ts";
import type { CommandContext, MeteringOperations } from "./command.ts";

/** The metering operations of the running gateway. Throws, with what to do, if none runs. */
export async function openRunning({ openMetering }: CommandContext): Promise<MeteringOperations> {
  const operations = await openMetering();
  if (operations !== undefined) return operations;
  const message = "no gateway runs on this data, and only one that runs can tell: start it first";
  throw new OptamilError("service_unavailable", message);
}
