/** What the architecture test knows of a TypeScript file: its imports, globals and sizes. */
import {
  type ArrowFunctionExpression,
  type Function as NamedFunction,
  type Node,
  parseSync,
  visitorKeys,
} from "oxc-parser";

/** One import or re-export, also a type's `import("…")` and a dynamic `import(…)`. */
export interface Import {
  /** The specifier as written; undefined when it is computed. */
  specifier: string | undefined;
  /** True when nothing of it is left at run time. */
  typeOnly: boolean;
  /** True for a dynamic `import(…)`, which loads nothing before it is reached. */
  dynamic?: boolean;
}

/** A function of a file. */
export interface SourceFunction {
  name: string;
  /** Lines from its first to its last one. */
  lines: number;
}

/** A TypeScript source file. */
export interface SourceFile {
  /** Path from the root of the project, with slashes. */
  path: string;
  lines: number;
  imports: Import[];
  /** Names of the globals of a runtime that it reads: `Deno`, `process`. */
  globals: string[];
  functions: SourceFunction[];
  /** Type assertions, `as const` excepted. */
  assertions: number;
}

const watchedGlobals = new Set(["Deno", "process"]);

/** Parses the text of a source file. Throws when it is no TypeScript. */
export function parseSourceFile(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const file: SourceFile = {
    path,
    lines: lineCount(text.trimEnd()),
    imports: [],
    globals: [],
    functions: [],
    assertions: 0,
  };
  walk(program, undefined, (node, parent) => {
    const imported = importOf(node);
    if (imported) file.imports.push(imported);
    const global = globalOf(node, parent);
    if (global !== undefined) file.globals.push(global);
    if (node.type === "TSAsExpression" && !isConst(node.typeAnnotation)) file.assertions++;
    if (isFunction(node)) {
      const lines = lineCount(text.slice(node.start, node.end));
      file.functions.push({ name: nameOf(node, parent), lines });
    }
  });
  return file;
}

function lineCount(text: string): number {
  return text.split("\n").length;
}

function walk(
  node: Node,
  parent: Node | undefined,
  visit: (node: Node, parent: Node | undefined) => void,
): void {
  visit(node, parent);
  for (const key of visitorKeys[node.type] ?? []) {
    const children: unknown = Reflect.get(node, key);
    for (const child of Array.isArray(children) ? children : [children]) {
      // The parser's own table says that these keys hold nodes, or nothing.
      if (child) walk(child as Node, node, visit);
    }
  }
}

function importOf(node: Node): Import | undefined {
  switch (node.type) {
    case "ImportDeclaration": {
      const kinds = node.specifiers.map((one) => "importKind" in one && one.importKind === "type");
      const allTypes = kinds.length > 0 && kinds.every(Boolean);
      return { specifier: node.source.value, typeOnly: node.importKind === "type" || allTypes };
    }
    case "ExportAllDeclaration":
      return { specifier: node.source.value, typeOnly: node.exportKind === "type" };
    case "ExportNamedDeclaration":
      if (!node.source) return undefined;
      return { specifier: node.source.value, typeOnly: node.exportKind === "type" };
    case "ImportExpression": {
      const { source } = node;
      const value = source.type === "Literal" ? source.value : undefined;
      const specifier = typeof value === "string" ? value : undefined;
      return { specifier, typeOnly: false, dynamic: true };
    }
    case "TSImportType":
      return { specifier: node.source.value, typeOnly: true };
    default:
      return undefined;
  }
}

function globalOf(node: Node, parent: Node | undefined): string | undefined {
  if (node.type !== "Identifier" || !watchedGlobals.has(node.name)) return undefined;
  if (parent?.type === "MemberExpression" && parent.property === node && !parent.computed) {
    const { object } = parent;
    return object.type === "Identifier" && object.name === "globalThis" ? node.name : undefined;
  }
  const isKey = parent !== undefined && "key" in parent && parent.key === node;
  const shorthand = parent?.type === "Property" && parent.shorthand;
  return isKey && !shorthand ? undefined : node.name;
}

type FunctionNode = NamedFunction | ArrowFunctionExpression;

function isFunction(node: Node): node is FunctionNode {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

function nameOf(node: FunctionNode, parent: Node | undefined): string {
  if (node.id) return node.id.name;
  const owner: unknown = parent && (Reflect.get(parent, "key") ?? Reflect.get(parent, "id"));
  const name: unknown = owner && typeof owner === "object" ? Reflect.get(owner, "name") : undefined;
  return typeof name === "string" ? name : "a function without a name";
}

function isConst(type: Node): boolean {
  if (type.type !== "TSTypeReference") return false;
  return type.typeName.type === "Identifier" && type.typeName.name === "const";
}
