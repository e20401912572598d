export interface Addon {
  readonly isas: readonly string[];
  readonly threads: number;
}
export const addon = null as Addon | null;
export const loadError: Error | null = new Error('not built');
