/** Tiny models with fixed weights, for the services of docs/recipes.md: ONNX files, written field by field. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FLOAT = 1;
const INT64 = 7;

/** `protobuf` is the package protobufjs, which writes the wire format; onnx/onnx.proto has the numbers of the fields. */
export function writeModels(folder, protobuf) {
  const text = (field, value) => (writer) => writer.uint32((field << 3) | 2).string(value);
  const int = (field, value) => (writer) => writer.uint32(field << 3).int64(value);
  const message =
    (field, ...parts) =>
    (writer) =>
      parts.reduce((inner, part) => part(inner), writer.uint32((field << 3) | 2).fork()).ldelim();
  const bytes = (field, array) => (writer) =>
    writer.uint32((field << 3) | 2).bytes(new Uint8Array(array.buffer));

  const node = (op, inputs, output, ...attributes) =>
    message(1, ...inputs.map((name) => text(1, name)), text(2, output), text(4, op), ...attributes);
  const dimension = (size) => message(1, typeof size === 'number' ? int(1, size) : text(2, size));
  const value = (field, name, type, dims) =>
    message(field, text(1, name), message(2, message(1, int(1, type), message(2, ...dims.map(dimension)))));
  const weights = (name, dims, numbers) =>
    message(
      5,
      ...dims.map((size) => int(1, size)),
      int(2, FLOAT),
      text(8, name),
      bytes(9, Float32Array.from(numbers)),
    );
  const axes = (name, numbers) =>
    message(
      5,
      int(1, numbers.length),
      int(2, INT64),
      text(8, name),
      bytes(9, BigInt64Array.from(numbers, BigInt)),
    );
  const noKeepDims = message(5, text(1, 'keepdims'), int(3, 0), int(20, 2));
  const model = (...graph) =>
    [int(1, 8), message(7, ...graph, text(2, 'tiny')), message(8, text(1, ''), int(2, 13))]
      .reduce((writer, part) => part(writer), protobuf.Writer.create())
      .finish();

  mkdirSync(folder, { recursive: true });
  const table = Array.from({ length: 12 }, (_, i) => ((i * 7) % 12) / 4 - 1);
  writeFileSync(
    join(folder, 'images.onnx'),
    model(
      node('MatMul', ['image', 'table'], 'logits'),
      weights('table', [4, 3], table),
      value(11, 'image', FLOAT, ['rows', 4]),
      value(12, 'logits', FLOAT, ['rows', 3]),
    ),
  );

  const nli = join(folder, 'tiny-nli');
  mkdirSync(join(nli, 'onnx'), { recursive: true });
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'my', 'dog', 'barks', 'this', 'text', 'is', 'about'];
  words.push('animals', 'music', 'sport', '.');
  // What a word adds to contradiction, neutral and entailment.
  const perWord = words.flatMap((word) =>
    word === 'animals' ? [-1, 0, 2] : word === 'music' ? [1, 0, 0.5] : [0, 0.1, 0],
  );
  const ids = ['input_ids', 'attention_mask', 'token_type_ids'];
  writeFileSync(
    join(nli, 'onnx', 'model.onnx'),
    model(
      node('Gather', ['words', 'input_ids'], 'each'),
      node('ReduceSum', ['each', 'along'], 'logits', noKeepDims),
      weights('words', [words.length, 3], perWord),
      axes('along', [1]),
      ...ids.map((name) => value(11, name, INT64, ['rows', 'words'])),
      value(12, 'logits', FLOAT, ['rows', 3]),
    ),
  );
  const json = (name, content) => writeFileSync(join(nli, name), JSON.stringify(content));
  json('config.json', {
    model_type: 'bert',
    architectures: ['BertForSequenceClassification'],
    id2label: { 0: 'contradiction', 1: 'neutral', 2: 'entailment' },
    label2id: { contradiction: 0, neutral: 1, entailment: 2 },
  });
  json('tokenizer_config.json', { tokenizer_class: 'BertTokenizer', pad_token: '[PAD]' });
  json('tokenizer.json', {
    version: '1.0',
    added_tokens: words.slice(0, 4).map((content, id) => ({
      id,
      content,
      special: true,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: {
      type: 'BertProcessing',
      sep: ['[SEP]', 3],
      cls: ['[CLS]', 2],
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: '[UNK]',
    },
  });
}
