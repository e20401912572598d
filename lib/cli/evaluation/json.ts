/** An evaluation as JSON: the object of `evaluate`, its keys at the top. */
import { toJson } from '../report.js';
import type { Evaluated } from './evaluate-file.js';

export function evaluationJson({ result, fit, bad }: Evaluated): string {
  const { confusion, ...rest } = result;
  const text = toJson({
    ...rest,
    ...(confusion ? { confusion: [] } : {}),
    ...(fit
      ? {
          fit: {
            temperature: fit.temperature,
            logLoss: fit.after.logLoss,
            logLossBefore: result.logLoss,
            calibrationError: fit.after.calibrationError,
            ...(fit.converged ? {} : { converged: false }),
          },
        }
      : {}),
    ...(bad.count > 0 ? { bad } : {}),
  });
  return confusion ? text.replace('"confusion": []', () => `"confusion": ${linesOf(confusion)}`) : text;
}

/** A line for each true class. */
function linesOf(confusion: Uint32Array): string {
  const classes = Math.sqrt(confusion.length);
  const lines = Array.from({ length: classes }, (_, i) =>
    confusion.subarray(i * classes, (i + 1) * classes).join(', '),
  );
  return `[\n    ${lines.join(',\n    ')}\n  ]`;
}
