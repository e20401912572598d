/** An environment variable; undefined where there is none, or where it may not be read (Deno without --allow-env). */
export function environmentVariable(name: string): string | undefined {
  try {
    return (globalThis as { process?: { env?: { [name: string]: string | undefined } } }).process?.env?.[
      name
    ];
  } catch {
    return undefined;
  }
}
