/**
 * SQLite, as the runtime has it: `node:sqlite` where it is built in, else the package of the same shape. Which one is found out by
 * asking for it, not by the version. The warning that the built-in one is experimental is the only one kept back.
 */

/** What can be bound to a parameter. */
export type SqlValue = string | number | null;

/** One row, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** A prepared statement. */
export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
}

/** A connection. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface Binding {
  readonly DatabaseSync: new (path: string) => Database;
}

/** Connects to the file at `path`, which is made where it does not exist. */
export async function connectFile(path: string): Promise<Database> {
  const { DatabaseSync } = builtIn() ?? (await import('@photostructure/sqlite'));
  return new DatabaseSync(path);
}

function builtIn(): Binding | undefined {
  // put back as it was, so it is not bound
  const emitWarning: typeof process.emitWarning = Reflect.get(process, 'emitWarning');
  process.emitWarning = (warning: string | Error, ...rest: never[]): void => {
    if (!String(warning).startsWith('SQLite is an experimental feature'))
      emitWarning.call(process, warning, ...rest);
  };
  try {
    // there is a module of this name or there is not, and it has the shape that the package copies
    return process.getBuiltinModule('node:sqlite') as Binding | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
