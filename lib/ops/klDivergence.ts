/** klDivergence: of the softmax of every row from that of another. */
import { reducedType } from '../arguments/elements.js';
import { readLikeX } from '../arguments/targets.js';
import { type KlDivergenceProblem, klDivergence as klDivergenceRows } from '../backends/js/klDivergence.js';
import { type Data, op } from '../backends/problem.js';
import { declare, outPerRow } from './operation.js';

const klDivergenceOp = /* @__PURE__ */ op<KlDivergenceProblem>({
  name: 'klDivergence',
  numbers: ['outType'],
  reads: ['other'],
  writes: ['out'],
  solve: klDivergenceRows,
});

export const klDivergence = /* @__PURE__ */ declare({
  name: 'klDivergence',
  op: klDivergenceOp,
  argument: 'other',
  parameter: 'y',
  memory: ['out'],
  takes: (reading) => ({
    other: reading.take('other', (value, name, request) =>
      readLikeX(value, name, request, (x) => `the shape of x, [${x.dims.join(', ')}],`),
    ),
  }),
  writes: (_, request) => [outPerRow(request)],
  pose(problem, { other }, { x }, [out]) {
    problem.other = other.data;
    problem.out = out?.memory as Data;
    problem.outType = reducedType(x.type);
  },
  live(request, newMemory, given) {
    const { x } = request;
    const other = newMemory(x.type, x.data.length) as Data;
    // In the layout of x, as the caller writes it.
    if (given !== undefined)
      other.set(readLikeX(given, 'other', request, () => 'the shape of x').memory as Data);
    return other;
  },
});
