import { afterAll, describe, it } from 'vitest';
import type { ElementType } from '../../lib/backends/problem.js';
import { logSoftmax, logSumExp, softmax } from '../../lib/index.js';
import { type Elements, elements, numbers } from '../elements.js';
import { budget, Random, seed } from '../random.js';
import { Judge, limits, summary } from './judge.js';
import { backendName } from './ways.js';

afterAll(() => console.log(summary()));

/** Scores rows of `length` with all three functions and judges every element. */
function judge(x: Elements, type: ElementType, length: number, temperature: number, kind: string): void {
  const shape = [x.length / length, length];
  const options = { shape, temperature, dtype: type };
  const logits = numbers(x, type);
  const probabilities = numbers(softmax(x, options), type);
  const logs = numbers(logSoftmax(x, options), type);
  const sumType = type === 'float64' ? 'float64' : 'float32';
  const sums = numbers(logSumExp(x, options), sumType);
  for (let row = 0; row < shape[0]; row++) {
    const [start, end] = [row * length, (row + 1) * length];
    const one = new Judge(logits.subarray(start, end), temperature, kind, row);
    one.check('softmax', type, probabilities.subarray(start, end));
    one.check('logSoftmax', type, logs.subarray(start, end));
    one.check('logSumExp', sumType, sums.subarray(row, row + 1));
  }
}

/** Classes to score, and how many of them in all (at a budget of 1). */
const shapes = [
  [4, 8000],
  [10, 8000],
  [33, 8000],
  [128, 8000],
  [1000, 10000],
  [5000, 10000],
] as const;
/** Length, how many leading logits are larger, these, the others: the worst known, with runs of 16 and of 8 blocks. */
const adversaries = [
  [246, 1, 0.38213101029396057, -13.130428314208984],
  [243, 1, 0.382120281457901, -13.130428314208984],
  [237, 2, -12.093907356262207, -27.162582397460938],
  [248, 1, -0.3073952794075012, -16.951330184936523],
  [227, 8, -0.2979162931442261, -14.436887741088867],
] as const;
const temperatures = [1, 0.05, 0.3, 0.7, 1.3, 3];

describe(`On ${backendName}, float32 is within ${limits.float32} ULP of the exact result`, () => {
  for (const range of [1, 10, 50, 87, 104]) {
    it(`for logits within ±${range} (seed ${seed})`, () => {
      for (const temperature of temperatures) {
        for (const [length, count] of shapes) {
          const random = new Random(`float32 ${range} ${temperature} ${length}`);
          const x = random.fill(new Float32Array(Math.ceil((count * budget) / length) * length), range);
          judge(x, 'float32', length, temperature, `±${range}`);
        }
      }
    });
  }

  it(`for a hundred thousand classes (seed ${seed})`, () => {
    for (const [range, temperature] of [
      [10, 1],
      [10, 0.7],
      [104, 1],
    ]) {
      const random = new Random(`float32 large ${range} ${temperature}`);
      judge(
        random.fill(new Float32Array(100_003), range),
        'float32',
        100_003,
        temperature,
        '100 003 classes',
      );
    }
  });

  it('for a million equal logits', () => {
    judge(new Float32Array(1_000_000).fill(0.1), 'float32', 1_000_000, 0.7, 'equal logits');
  });

  for (const magnitude of [1e3, 1e6, 2 ** 22, 1e9, 1e20, 3e38]) {
    it(`for rows of magnitude ${magnitude}, near their maximum and far from it (seed ${seed})`, () => {
      const random = new Random(`float32 huge ${magnitude}`);
      const ulp = 2 ** (Math.floor(Math.log2(magnitude)) - 23);
      for (const temperature of [1, 0.05, 3, magnitude / 50, ulp, ulp / 3]) {
        for (const length of [4, 19, 100]) {
          const x = new Float32Array(length * 40);
          for (let i = 0; i < x.length; i++) {
            const sign = Math.floor(i / length) % 2 === 0 ? 1 : -1;
            const near = sign * magnitude * (1 - random.below(300) * 2 ** -24);
            x[i] = i % 3 === 0 ? random.between(-magnitude, magnitude) : near;
          }
          judge(x, 'float32', length, temperature, `magnitude ${magnitude}`);
        }
      }
    });
  }

  for (const temperature of [1e-40, 1e-20, 1e10, 1e37, 1e-300, 1e300]) {
    it(`at temperature ${temperature} (seed ${seed})`, () => {
      const random = new Random(`float32 extreme ${temperature}`);
      const range = Math.min(60 * temperature, 3e38);
      judge(
        random.fill(new Float32Array(20 * 300), range),
        'float32',
        20,
        temperature,
        'extreme temperature',
      );
      judge(random.fill(new Float32Array(20 * 300), 10), 'float32', 20, temperature, 'extreme temperature');
    });
  }

  it(`for two equal maxima among terms that all but vanish (seed ${seed})`, () => {
    const random = new Random('float32 two equal');
    for (let repeat = 0; repeat < 300; repeat++) {
      const length = 2 + random.below(70);
      const top = random.between(-30, 30);
      const gap = random.between(10, 110);
      const x = Float32Array.from({ length }, () => top - gap - random.next());
      x[random.below(length)] = top;
      x[random.below(length)] = top;
      judge(x, 'float32', length, 1, 'two equal terms');
    }
  });

  it('for rows in which a search found the roundings of the sum to go one way', () => {
    for (const [length, leaders, leader, other] of adversaries) {
      const x = new Float32Array(length).fill(other).fill(leader, 0, leaders);
      judge(x, 'float32', length, 1, 'adversary');
    }
  });

  it(`where logSoftmax and logSumExp come near 0 (seed ${seed})`, () => {
    const random = new Random('float32 near zero');
    for (let repeat = 0; repeat < 500; repeat++) {
      const length = 2 + random.below(30);
      const x = Float32Array.from({ length }, () => -random.between(5, 100));
      x[random.below(length)] = repeat % 2 === 0 ? 0 : random.between(-1e-6, 1e-6);
      judge(x, 'float32', length, 1, 'near zero');
      judge(
        Float32Array.from(x, () => -Math.log(length)),
        'float32',
        length,
        1,
        'near zero',
      );
    }
  });
});

describe(`On ${backendName}, float64 is within ${limits.float64} ULP of the exact result`, () => {
  for (const range of [1, 10, 100, 700, 745, 1e6, 1e15]) {
    it(`for logits within ±${range} (seed ${seed})`, () => {
      for (const temperature of [1, 0.05, 0.7, 3, range / 300]) {
        for (const [length, count] of [
          [1, 10],
          [4, 2000],
          [37, 4000],
          [1000, 4000],
        ]) {
          const random = new Random(`float64 ${range} ${temperature} ${length}`);
          const x = random.fill(new Float64Array(Math.ceil((count * budget) / length) * length), range);
          judge(x, 'float64', length, temperature, `±${range}`);
        }
      }
    });
  }

  for (const temperature of [5e-324, 1e-310, 1e-300, 1e-150, 1e150, 1e300, 1.7e308]) {
    it(`at temperature ${temperature} (seed ${seed})`, () => {
      const random = new Random(`float64 extreme ${temperature}`);
      for (const range of [1, 300, 1e9]) {
        const spread = Math.min(range * temperature, 1e308);
        judge(random.fill(new Float64Array(300), spread), 'float64', 10, temperature, 'extreme temperature');
      }
    });
  }

  it('for a million equal logits', () => {
    judge(new Float64Array(1_000_000).fill(0.1), 'float64', 1_000_000, 0.7, 'equal logits');
  });

  it(`for one maximum above a million far smaller terms (seed ${seed})`, () => {
    const random = new Random('float64 far');
    const x = Float64Array.from({ length: 300_000 }, () => -40 - random.next());
    x[123_456] = 0;
    judge(x, 'float64', x.length, 1, 'far below');
  });

  it('for one maximum above equal terms far below, whose roundings all go one way', () => {
    for (const length of [600, 4096, 20_000]) {
      for (const gap of [34, 36, 50, 100]) {
        const x = new Float64Array(length).fill(-gap);
        x[7] = 0;
        judge(x, 'float64', length, 1, 'equal far below');
      }
    }
  });

  it(`where logSoftmax and logSumExp come near 0 (seed ${seed})`, () => {
    const random = new Random('float64 near zero');
    for (let repeat = 0; repeat < 500; repeat++) {
      const length = 2 + random.below(30);
      const x = Float64Array.from({ length }, () => -random.between(5, 740));
      x[random.below(length)] = repeat % 2 === 0 ? 0 : random.between(-1e-12, 1e-12);
      judge(x, 'float64', length, 1, 'near zero');
      judge(
        Float64Array.from(x, () => -Math.log(length)),
        'float64',
        length,
        1,
        'near zero',
      );
    }
  });
});

describe(`On ${backendName}, 16-bit results are rounded once`, () => {
  for (const type of ['float16', 'bfloat16'] as const) {
    it(`${type} (seed ${seed})`, () => {
      for (const range of [1, 10, 50, 90]) {
        for (const length of [4, 17, 200]) {
          const random = new Random(`${type} ${range} ${length}`);
          const x = elements(random.fill(new Float64Array(length * Math.ceil(2000 / length)), range), type);
          judge(x, type, length, 0.7, `±${range}`);
        }
      }
    });
  }
});
