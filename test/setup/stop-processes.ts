/** Set-up file of every test file: what the file started ends with it. */
import { afterAll } from "vitest";
import { stopAllProcesses } from "./process.ts";

afterAll(stopAllProcesses);
