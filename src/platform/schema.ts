// Says whether a program can work with what another release of it has made: the versions of tables and topics.

/** A schema, as it is somewhere. */
export type SchemaState = {
  /** The release that made it knows this version; 0: nothing was made yet. */
  readonly version: number;
  /** Releases that know this version, or a later one, work with it. */
  readonly oldest: number;
};

/** What a release says about a schema that is not its own. */
export type SchemaVerdict =
  /** It works with it: it is the same, or a newer one with more in it. */
  | { readonly fits: true }
  /** One line with both versions and what to run. */
  | { readonly fits: false; readonly problem: string };

/** Whether a release that knows the version `known` may work with what it finds; `where` begins the line. */
export function judgeSchema(where: string, found: SchemaState, known: number): SchemaVerdict {
  if (found.version < known) {
    const problem = `${where} has schema version ${found.version}, and this release needs ${known}: run 'optamil migrate' of this release`;
    return { fits: false, problem };
  }
  if (found.oldest <= known) return { fits: true };
  const problem = `${where} has schema version ${found.version}, which needs a release that knows ${found.oldest}, and this one knows ${known}: run 'optamil' of the newer release`;
  return { fits: false, problem };
}

/** What a migration says of a schema that it has made, has found as it should be, or leaves to a newer release. */
export function tellMigration(where: string, found: SchemaState, known: number): string {
  if (found.version === known) return `${where}: schema version ${known}, as it should be`;
  if (found.version === 0) return `${where}: schema version ${known} made`;
  if (found.version < known)
    return `${where}: schema version ${found.version} expanded to ${known}`;
  return `${where}: schema version ${found.version} of a newer release serves this one too, and is left as it is`;
}
