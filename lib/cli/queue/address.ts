/** The URL of a server, what of it may be shown, and where it leads. */
import { expectedUsage } from '../failure.js';

const REDIS = ['redis:', 'rediss:', 'unix:'];
const POSTGRES = ['postgres:', 'postgresql:'];

export interface Address {
  readonly kind: 'redis' | 'postgres';
  readonly url: URL;
  /** Without user, password and options. */
  readonly name: string;
  /** Whether it is on this machine: a loopback address or a socket. */
  readonly isLocal: boolean;
  /** The text without the password. */
  redact(text: string): string;
}

export function parseAddress(text: string): Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const kind =
    url && (REDIS.includes(url.protocol) ? 'redis' : POSTGRES.includes(url.protocol) && 'postgres');
  const host = url && (url.searchParams.get('host') ?? url.hostname);
  const isSocket = url?.protocol === 'unix:' || host?.startsWith('/');
  if (!url || !kind || !(host || isSocket || kind === 'postgres')) {
    const shown = text.replace(/\/\/.*@/, '//…@').replace(/[?#].*/s, '');
    throw expectedUsage('redis://host:port or postgres://user@host/database', '--queue', `'${shown}'`);
  }
  const secrets = [url.password, url.searchParams.get('password') ?? '']
    .flatMap((secret) => [secret, decoded(secret)])
    .filter((secret) => secret !== '');
  const port = url.port && `:${url.port}`;
  return {
    kind,
    url,
    name: `${url.protocol}//${isSocket ? (url.hostname ? `${url.hostname}${port}` : '') : `${host}${port}`}${url.pathname}`,
    isLocal: isSocket || !host || /^(localhost|127(\.\d+){3}|\[::1\]|::1)$/i.test(host),
    redact: (message) => secrets.reduce((safe, secret) => safe.replaceAll(secret, '…'), message),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
