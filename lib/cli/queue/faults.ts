/** What goes wrong between us and a server, in words. The same for Redis and PostgreSQL. */
import { Failure } from '../failure.js';
import type { Address } from './address.js';

const NO_ANSWER = 'ETIMEDOUT (no answer)';

/** Of an error's code or the first words of its message: what it means. */
const CAUSES: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'ECONNREFUSED (nothing listens there)'],
  [/ENOTFOUND|EAI_AGAIN/, 'ENOTFOUND (no such host)'],
  [/EHOSTUNREACH|ENETUNREACH/, 'EHOSTUNREACH (no way to the host)'],
  [/ETIMEDOUT|timeout expired|timeout exceeded/, NO_ANSWER],
  [/ENOENT/, 'ENOENT (no such socket)'],
  [
    /NOAUTH|client password must be|empty password/,
    'a refusal (it asks for a password, and the URL has none)',
  ],
  [/WRONGPASS|invalid password|28P01|28000|SCRAM/, 'a refusal (wrong user or password)'],
  [/NOPERM|42501/, 'a refusal (the user may not do that)'],
  [/READONLY|25006/, 'a read-only replica (the primary is wanted)'],
  [/OOM|53200/, 'out of memory (maxmemory is reached)'],
  [/MISCONF|53100/, 'a server that cannot write to its disk'],
  [/CLUSTERDOWN|slots cache|None of startup nodes|Cluster isn't ready/, 'CLUSTERDOWN (the cluster is down)'],
  [/DB index is out of range|3D000|invalid DB index/, 'a database that is not there'],
  [/LOADING|57P03/, 'a server that is still starting'],
  [/53300|max number of clients/, 'too many connections'],
  [
    /self-signed certificate|unable to (verify|get)[^:]* certificate|UNABLE_TO_|CERT_|ERR_TLS_CERT/,
    'a certificate that is not trusted here (NODE_EXTRA_CA_CERTS names the file of an authority of your own)',
  ],
  [/wrong version number|packet length too long|EPROTO/, 'no TLS (redis:// instead of rediss://?)'],
];

/** What comes and goes: a restart, a network that is cut, a replica that becomes the primary. */
const PASSING =
  /ECONNRE|EPIPE|ENOTFOUND|EAI_AGAIN|UNREACH|ETIMEDOUT|ENOENT|timeout|[Cc]onnection|57P0|08\d\d\d|53[123]00|READONLY|OOM|MISCONF|CLUSTERDOWN|slots cache|LOADING|isn't ready|Cannot use a pool|Client has encountered|Client was closed/;

function wordsOf(error: unknown): string {
  const {
    code = '',
    message = String(error),
    errors,
  } = error as Error & { code?: string; errors?: unknown[] };
  // Of a host with several addresses, or a cluster: the first says enough.
  const inner = Array.isArray(errors) && errors.length > 0 ? wordsOf(errors[0]) : '';
  return `${code} ${message} ${inner}`.trim();
}

export function causeOf(error: unknown, address: Address): string {
  const words = wordsOf(error);
  const known = CAUSES.find(([pattern]) => pattern.test(words))?.[1];
  // Redis without TLS waits for more of what is none of its commands.
  if (known === NO_ANSWER && address.url.protocol === 'rediss:') {
    return 'ETIMEDOUT (no answer; redis:// instead of rediss:// if it has no TLS)';
  }
  return known ?? address.redact((error instanceof Error && error.message) || words).split('\n')[0];
}

/** Whether it may go away by itself. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof Failure) && PASSING.test(wordsOf(error));
}

/** At the start, where the user is there to mend it. */
export function refusal(error: unknown, step: string, address: Address): Failure {
  if (error instanceof Failure) return error;
  const server = address.kind === 'redis' ? 'a Redis server' : 'a PostgreSQL server';
  return new Failure(
    `Expected ${server} for ${address.name} but received ${causeOf(error, address)}, when ${step}`,
  );
}
