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

/** Whether Node is running the script of `--build-snapshot`. */
export function isBuildingSnapshot(): boolean {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  return Boolean(process?.getBuiltinModule?.('v8')?.startupSnapshot?.isBuildingSnapshot?.()); // 1 or 0
}
