/** The types of sigmoid, logSigmoid and binaryCrossEntropy. */
import type { Float16ArrayLike } from '../arguments/elements.js';
import type { ElementType } from '../backends/problem.js';
import type {
  Integers,
  LogSoftmaxOptions,
  NestedNumbers,
  Output,
  Reduction,
  RowOptions,
  TensorLike,
} from '../types.js';

/** Options of `sigmoid` and `logSigmoid`. */
export type SigmoidOptions<
  Out extends Output = Output,
  Type extends ElementType = ElementType,
> = LogSoftmaxOptions<Out, Type>;

/** A target for each element: floats of the type of `x`, or integers of 0 and 1. */
export type BinaryTargets =
  | Float32Array
  | Float64Array
  | Float16ArrayLike
  | Uint8Array
  | Uint16Array
  | Integers
  | TensorLike
  | NestedNumbers;

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions<How extends Reduction = Reduction, Out extends Output = Output>
  extends RowOptions {
  /** One number for all elements, or the loss of each. Default: `'mean'`, over the elements that no mask leaves out. */
  readonly reduction?: How | undefined;
  /**
   * What the loss of an element is multiplied by: in the shape of `x`, or in one that NumPy would broadcast to it, so one row
   * of classes serves for all. Default: 1 for all.
   */
  readonly weights?: Float64Array | Float32Array | NestedNumbers | TensorLike | undefined;
  /** What the part of a loss that the target has is multiplied by: one number per class, or one for all. Default: 1. */
  readonly posWeight?: number | Float64Array | Float32Array | readonly number[] | undefined;
  /** Memory for the gradient of the (reduced) loss with respect to `x`: like `x`, or `x` itself. */
  readonly gradient?: Output | undefined;
  /** Memory for the losses; with reduction `'none'` only. */
  readonly out?: Out | undefined;
}
