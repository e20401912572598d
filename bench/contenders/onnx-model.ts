/** Models of one or two operators, written as the protobuf that ONNX files are (onnx/onnx.proto gives the numbers). */
import protobuf from 'protobufjs/minimal.js';
import type { Case } from '../measure/case.js';

type Writer = protobuf.Writer;
type Fields = (writer: Writer) => Writer;

const OPSET = 13;
const IR_VERSION = 8;
const INT64 = 7;

/** Field numbers, with the wire type that each is written with. */
const string = (field: number, value: string) => (writer: Writer) =>
  writer.uint32((field << 3) | 2).string(value);
const int = (field: number, value: number) => (writer: Writer) => writer.uint32(field << 3).int64(value);
const message =
  (field: number, ...parts: Fields[]) =>
  (writer: Writer) =>
    parts.reduce((inner, part) => part(inner), writer.uint32((field << 3) | 2).fork()).ldelim();

const ATTRIBUTE_INT = 2;
const attribute = (name: string, value: number) =>
  message(5, string(1, name), int(3, value), int(20, ATTRIBUTE_INT));

const node = (op: string, inputs: string[], outputs: string[], ...attributes: Fields[]) =>
  message(
    1,
    ...inputs.map((name) => string(1, name)),
    ...outputs.map((name) => string(2, name)),
    string(4, op),
    ...attributes,
  );

const value = (field: number, name: string, elementType: number, dims: readonly number[]) =>
  message(
    field,
    string(1, name),
    message(2, message(1, int(1, elementType), message(2, ...dims.map((dim) => message(1, int(1, dim)))))),
  );

const initializer = (name: string, values: number[]) =>
  message(5, int(1, values.length), int(2, INT64), ...values.map((one) => int(7, one)), string(8, name));

/** From `logits` to `probabilities`; for topK to `probabilities` and `indices`, for crossEntropy to `log`. */
export function onnxModel({ op, shape, axis, dtype, k }: Case): Uint8Array {
  const type = dtype === 'float64' ? 11 : 1;
  const top = [...shape.slice(0, -1), k];
  const along = attribute('axis', axis);
  const graph =
    op === 'topK'
      ? [
          node('Softmax', ['logits'], ['all'], along),
          node('TopK', ['all', 'k'], ['probabilities', 'indices'], along),
          initializer('k', [k]),
          value(12, 'probabilities', type, top),
          value(12, 'indices', INT64, top),
        ]
      : op === 'crossEntropy'
        ? [node('LogSoftmax', ['logits'], ['log'], along), value(12, 'log', type, shape)]
        : [node('Softmax', ['logits'], ['probabilities'], along), value(12, 'probabilities', type, shape)];
  const model = [
    int(1, IR_VERSION),
    message(7, ...graph, string(2, 'softmax'), value(11, 'logits', type, shape)),
    message(8, string(1, ''), int(2, OPSET)),
  ];
  return model.reduce((writer, part) => part(writer), protobuf.Writer.create()).finish();
}
