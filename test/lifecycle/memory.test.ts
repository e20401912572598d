/**
 * Memory that JavaScript takes away, or another thread writes, while calls are under way: wrong answers and errors are
 * allowed, crashes are not. Each case is a child; see child.ts. Buffers that are gone before the call, and outputs that
 * overlap x, are in errors.test.ts.
 */
import { describe, test } from 'vitest';
import { expectDone } from './child.js';

const ways = {
  'transferred and collected': {
    make: '(count) => logits(count)',
    take: `(x) => { structuredClone(x.buffer, { transfer: [x.buffer] }); gc(); }`,
  },
  'shrunk to nothing': {
    make: '(count) => over(new ArrayBuffer(count * 4, { maxByteLength: count * 4 }))',
    take: '(x) => { x.buffer.resize(0); gc(); }',
  },
  'shrunk by half': {
    make: '(count) => over(new ArrayBuffer(count * 4, { maxByteLength: count * 4 }), count)',
    take: '(x) => { x.buffer.resize(x.byteLength / 2); gc(); }',
  },
};

describe('memory that a promise was given', () => {
  for (const [what, { make, take }] of Object.entries(ways)) {
    for (const which of ['x', 'out']) {
      test(`${which} is ${what} at any time`, async () => {
        await expectDone(
          `
          const make = ${make}, take = ${take};
          for (const count of [1000, 100000, million]) {
            for (let delay = 0; delay < 5; delay++) {
              const memory = { x: logits(count), out: new Float32Array(count) };
              memory.${which} = make(count);
              const call = rejection(promises().softmax(memory.x, { out: memory.out }));
              for (let turn = 0; turn < delay; turn++) await new Promise(setImmediate);
              take(memory.${which});
              logits(count); // what was freed is used anew
              const error = await call;
              // In time, or not: small arguments are copied at the call, and results may have been delivered.
              expectThat(error === undefined || error.code === 'ERR_DETACHED', String(error?.stack));
            }
          }
          checkDog();
          console.log('done');
        `,
          ['--expose-gc'],
        );
      });
    }
  }

  test('waits for its turn, and is transferred meanwhile', async () => {
    await expectDone(
      `
      const big = promises().softmax(sharedLogits(60 * million));
      const x = logits(5 * million);
      const call = rejection(promises().softmax(x));
      structuredClone(x.buffer, { transfer: [x.buffer] });
      gc();
      const error = await call;
      expectThat(error?.code === 'ERR_DETACHED', 'the error says so, not ' + error);
      await big;
      console.log('done');
    `,
      ['--expose-gc'],
    );
  });

  test('is forgotten by everybody but the call', async () => {
    await expectDone(
      `
      const calls = [];
      for (let i = 0; i < 10; i++) {
        calls.push(promises().softmax(sharedLogits(million)), promises().softmax(logits(million)));
        gc();
      }
      for (const result of await Promise.all(calls)) expectThat(result.every((p) => p >= 0 && p <= 1), 'results are whole');
      const call = sync().prepare('softmax', { shape: [1000, 1000] }).runAsync();
      gc();
      await call;
      console.log('done');
    `,
      ['--expose-gc'],
    );
  });
});

describe('shared memory', () => {
  const scribbler = `
    const [words, halves] = [new Uint32Array(workerData), new Uint16Array(workerData)];
    const odd = [0x7fc00000, 0x7f800000, 0xff800000, 0, 0x80000000, 0x7f7fffff, 1, 0xffffffff, 0x40000000];
    parentPort.postMessage('writing');
    for (let i = 1; ; i = (i * 48271) % 0x7fffffff) {
      for (let j = 0; j < 500; j++) words[(i * 31 + j * 97) % words.length] = odd[(i + j * j) % odd.length];
      if (i % 50 === 0) words.fill(odd[i % 7]);
      halves[i % halves.length] = i;
    }
  `;

  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16']) {
    test(`is written by another worker while it is scored: ${dtype}`, async () => {
      await expectDone(`
        const View = ${dtype === 'float32' ? 'Float32Array' : dtype === 'float64' ? 'Float64Array' : 'Uint16Array'};
        const x = new View(new SharedArrayBuffer(60000 * View.BYTES_PER_ELEMENT));
        const writer = startWorker(${JSON.stringify(scribbler)}, x.buffer);
        await once(writer, 'message');
        const dtype = ${JSON.stringify(dtype)};
        const indices = new Uint32Array(x.buffer, 0, 600);
        for (const backend of ['native', 'js']) {
          const until = Date.now() + 600;
          for (let i = 0; i < 40 && Date.now() < until; i++) {
            for (const shape of [[60000], [600, 100], [3750, 16], [15000, 4]]) {
              const options = { dtype, shape, backend };
              const rows = shape.length === 1 ? 1 : shape[0];
              sync().softmax(x, options);
              sync().logSumExp(x, options);
              sync().topK(x, 7 % (shape[1] ?? 8) + 1, options);
              sync().sample(x, { ...options, topP: 0.9, topK: 3, count: 2 });
              sync().crossEntropy(x, new Int32Array(rows), options);
              // Lists that change between the check and the use.
              if (rows === 600) {
                for (const list of [{ lengths: indices }, { where: new Uint8Array(x.buffer, 0, 100) }])
                  try { sync().softmax(x, { ...options, ...list }); } catch (error) { expectThat(error.code !== undefined, error.stack); }
                try { sync().crossEntropy(x, indices, options); } catch (error) { expectThat(error.code !== undefined, error.stack); }
              }
              await rejection(promises().topK(x, 3, { ...options, threads: 2 }));
              await promises().softmax(x, { ...options, out: x });
            }
          }
        }
        await writer.terminate();
        checkDog();
        console.log('done');
      `);
    });
  }

  test('grows while it is scored', async () => {
    await expectDone(`
      const bytes = 16 * million;
      for (let i = 0; i < 5; i++) {
        const buffer = new SharedArrayBuffer(bytes / 4, { maxByteLength: bytes });
        const x = over(buffer); // follows its buffer
        const count = x.length;
        const expected = sync().softmax(logits(count));
        const call = promises().softmax(x);
        const inPlace = promises().logSumExp(new Float32Array(buffer, 0, count));
        for (let more = 2; more <= 4; more++) { buffer.grow(bytes * more / 4); await new Promise(setImmediate); }
        const result = await call;
        await inPlace;
        expectThat(result.length === count && result.every((p, j) => p === expected[j]), 'the logits of the call are scored');
        expectThat(sync().softmax(x).length === 4 * count, 'and later all there are');
        await sync().softmax(x, { out: x });
      }
      console.log('done');
    `);
  });
});

// In a process of its own: Node does not warn code below node_modules, where vitest lies.
test('A Buffer as a mask of a promise prints no deprecation warning', async () => {
  await expectDone(`
    const where = Buffer.alloc(300000, 1);
    for (const backend of ['auto', 'js'])
      expectThat((await promises().softmax(new Float32Array(300000), { shape: [300, 1000], where, backend }))[0] > 0, 'a mask may be a Buffer');
    await new Promise(setImmediate);
    console.log('done');
  `);
});
