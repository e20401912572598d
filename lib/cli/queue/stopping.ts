/** The first Ctrl-C finishes, the second gives back; SIGTERM, after which a kill may follow soon, gives back at once. */
export async function untilStopped(on: {
  finish(): void;
  giveBack(): void;
  closed(): Promise<void>;
}): Promise<void> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  await new Promise<void>((resolve) => {
    let received = 0;
    function stop(signal: NodeJS.Signals) {
      received = Math.max(received + 1, signal === 'SIGINT' ? 1 : 2);
      if (received > 2) process.exit(130);
      if (received === 1) on.finish();
      else on.giveBack();
      on.closed().then(resolve, resolve);
    }
    for (const signal of signals) process.on(signal, stop);
  });
}
