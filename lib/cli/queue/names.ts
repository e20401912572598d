/** How the queue is called on its server. */
import { version } from '../../../package.json';

/** Scores may differ in their bits from one version to the next, so workers take jobs of their own version only. */
export const QUEUE = `simd-softmax@${version}`;

/** Of all keys in Redis. What is in braces decides the node of a cluster: scripts may touch keys of one node only. */
export const PREFIX = '{simd-softmax}';

/** Of all tables in PostgreSQL. */
export const SCHEMA = 'simd_softmax';
