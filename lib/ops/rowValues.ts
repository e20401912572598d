/** logSumExp and entropy: one value per row, and nothing asked besides. */
import { reducedType } from '../arguments/elements.js';
import { type EntropyProblem, entropy as entropyRows } from '../backends/js/entropy.js';
import { logSumExp as logSumExpRows } from '../backends/js/softmax.js';
import { type Data, op } from '../backends/problem.js';
import { declare, outPerRow } from './operation.js';

export const logSumExp = /* @__PURE__ */ valuePerRow('logSumExp', logSumExpRows);
export const entropy = /* @__PURE__ */ valuePerRow('entropy', entropyRows);

function valuePerRow(name: string, solve: typeof entropyRows) {
  return declare({
    name,
    op: op<EntropyProblem>({ name, numbers: ['outType'], reads: [], writes: ['out'], solve }),
    memory: ['out'],
    takes: () => ({}),
    writes: (_, request) => [outPerRow(request)],
    pose(problem, _, { x }, [out]) {
      problem.out = out?.memory as Data;
      problem.outType = reducedType(x.type);
    },
  });
}
