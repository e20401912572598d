export { backend } from './backend.js';

import { solve } from './plan.js';
import { planLogSumExp } from './plans/logSumExp.js';
import { planLogSoftmax, planSoftmax } from './plans/softmax.js';
export function softmax(x: unknown, options?: unknown): unknown {
  return solve(planSoftmax(x, options));
}
export function logSoftmax(x: unknown, options?: unknown): unknown {
  return solve(planLogSoftmax(x, options));
}
export function logSumExp(x: unknown, options?: unknown): unknown {
  return solve(planLogSumExp(x, options));
}
