// What the docs show and the sources know: given to the console as modules when it is built.
import type { Plugin } from "vite";

/** The modules that the console imports by a name of the form `optamil:…`. */
export function referenceModules(_root: string): Plugin {
  return { name: "optamil-reference" };
}
