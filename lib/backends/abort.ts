/**
 * Calls that watch a signal, by one listener for all of them: a service hands the same signal to many calls, and Node
 * warns of the eleventh listener.
 */
interface Watch {
  readonly stops: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Calls `stop` when the signal is aborted, unless what is returned was called before. */
export function onAbort(signal: AbortSignal | undefined, stop: () => void): () => void {
  if (signal === undefined) return () => {};
  const watch = watches.get(signal) ?? startWatch(signal);
  watch.stops.add(stop);
  return () => {
    watch.stops.delete(stop);
    if (watch.stops.size > 0 || watches.get(signal) !== watch) return;
    watches.delete(signal);
    signal.removeEventListener('abort', watch.listener);
  };
}

function startWatch(signal: AbortSignal): Watch {
  const stops = new Set<() => void>();
  const listener = () => {
    for (const stop of stops) stop();
  };
  signal.addEventListener('abort', listener, { once: true });
  const watch = { stops, listener };
  watches.set(signal, watch);
  return watch;
}
