/** The constants of the native kernels, as native/kernels/math/constants.h and ops/pairs.h have them, against decimal.js. */
import { readFileSync } from 'node:fs';
import { Decimal } from 'decimal.js';
import { describe, expect, it } from 'vitest';

const Exact = Decimal.clone({ precision: 60 });
const source = ['math/constants.h', 'ops/pairs.h']
  .map((path) => readFileSync(new URL(`../native/kernels/${path}`, import.meta.url), 'utf8'))
  .join('\n');
const exponential = readFileSync(new URL('../native/kernels/math/exp.h', import.meta.url), 'utf8');
const measure = readFileSync(new URL('../native/kernels/shapes/measure.h', import.meta.url), 'utf8');
const ln2 = new Exact(2).ln();

/** The numbers that a definition lists, hexadecimal floats among them. */
function numbers(name: string): Decimal[] {
  const list = new RegExp(`\\b${name}(?:\\[\\d+\\])? = \\{?([^;}]+)`).exec(source)?.[1].split(', l')[0];
  if (list === undefined) throw new TypeError(`Expected a definition of ${name}`);
  const found = list.match(/-?0x1(?:\.[\da-f]+)?p[+-]?\d+|-?\d\.\d+(?:e[+-]?\d+)?/g) ?? [];
  return found.map((text) => {
    const [, digits = '', exponent] = /0x1\.?([\da-f]*)p([+-]?\d+)/.exec(text) ?? [];
    if (exponent === undefined) return exactly(Number(text));
    const significand = new Exact(`0x1${digits}`).div(new Exact(16).pow(digits.length));
    const magnitude = significand.mul(new Exact(2).pow(Number(exponent)));
    return text.startsWith('-') ? magnitude.neg() : magnitude;
  });
}

/** A double between 2^-40 and 2^40, digit for digit. */
function exactly(value: number): Decimal {
  return new Exact(BigInt(value * 2 ** 100).toString()).div(new Exact(2).pow(100));
}

/** The largest relative error of 1 + r·(p0 + r·(p1 + …)) as 2^(r/steps) on |r| <= bound. */
function polynomialError(coefficients: Decimal[], steps: number, bound: number): number {
  let worst = 0;
  for (let i = -500; i <= 500; i++) {
    const r = new Exact(bound).mul(i).div(500);
    const p = coefficients.reduceRight((sum, c) => sum.mul(r).plus(c), new Exact(0)).mul(r);
    const exact = r.div(steps).mul(ln2).exp();
    worst = Math.max(worst, p.plus(1).div(exact).minus(1).abs().toNumber());
  }
  return worst;
}

describe('The constants of the kernels', () => {
  it('log2(e) is right to 2^-107', () => {
    const both = numbers('log2e_hi')[0].plus(lowPart());
    expect(both.mul(ln2).minus(1).abs().toNumber()).toBeLessThan(2 ** -107);
  });

  it('the eight powers of two share a factor, within 0.0463 of 2^-24', () => {
    const factor = numbers('table_factor')[0];
    const bits = [...source.matchAll(/table_entry\((0x[\da-f]{8}), (\d)\)/g)];
    expect(bits).toHaveLength(8);
    for (const [, entry, j] of bits) {
      const value = new Float32Array(Uint32Array.of(Number(entry)).buffer)[0];
      const exact = ln2.mul(Number(j)).div(8).exp().mul(factor);
      expect(new Exact(value).div(exact).minus(1).abs().toNumber()).toBeLessThan(0.0463 * 2 ** -24);
    }
  });

  it('the polynomial for float32 errs by less than 2.7e-10', () => {
    expect(polynomialError(numbers('exp_f32'), 8, 0.504)).toBeLessThan(2.7e-10);
  });

  it('and by less than 9e-10 where c in two parts lets r grow to 0.5625', () => {
    expect(polynomialError(numbers('exp_f32'), 8, 0.5625)).toBeLessThan(9e-10);
  });

  it('the polynomial for differences of two of them errs by less than 7.5e-11, and by less than 5e-10 where r grows so', () => {
    expect(numbers('exp_beside_f32')).toHaveLength(5);
    expect(polynomialError(numbers('exp_beside_f32'), 8, 1.008)).toBeLessThan(7.5e-11);
    expect(polynomialError(numbers('exp_beside_f32'), 8, 1.125)).toBeLessThan(5e-10);
  });

  it('the polynomial for float64 errs by less than 9.2e-18', () => {
    expect(polynomialError(numbers('exp_f64'), 1, 0.501)).toBeLessThan(9.2e-18);
  });

  it('the polynomial for weights errs by less than 1e-10, and js has the same', () => {
    const coefficients = numbers('weight_f64');
    expect(coefficients).toHaveLength(7);
    expect(polynomialError(coefficients, 1, 0.5)).toBeLessThan(1e-10);
    const twin = readFileSync(new URL('../lib/backends/js/block.ts', import.meta.url), 'utf8');
    for (const c of coefficients) expect(twin).toContain(String(c.toNumber()));
  });

  it.each([
    ['atanh_f32', 5, 2 ** -30.3],
    ['atanh_f64', 10, 2 ** -58],
  ] as const)('the series %s of logSigmoid errs by less than it says', (name, count, bound) => {
    const coefficients = numbers(name);
    expect(coefficients).toHaveLength(count);
    for (let i = 1; i <= 500; i++) {
      const s = new Exact(i).div(1500);
      const z = s.mul(s);
      const series = coefficients
        .reduceRight((sum, c) => sum.mul(z).plus(c), new Exact(0))
        .mul(z)
        .plus(1);
      const exact = s.plus(1).div(new Exact(1).minus(s)).ln().div(s.mul(2));
      expect(series.div(exact).minus(1).abs().toNumber(), `s = ${i} / 1500`).toBeLessThan(bound);
    }
  });

  it('the series of klDivergence errs by less than 2^-26.7', () => {
    const coefficients = numbers('divergence_f32');
    expect(coefficients).toHaveLength(9);
    for (let i = -500; i <= 500; i++) {
      if (i === 0) continue;
      const d = new Exact(1.5).mul(i).div(500);
      const series = coefficients.reduceRight((sum, c) => sum.mul(d).plus(c), new Exact(0));
      const exact = d.neg().exp().minus(1).plus(d).div(d.mul(d));
      expect(series.div(exact).minus(1).abs().toNumber(), `d = ${i} · 1.5 / 500`).toBeLessThan(2 ** -26.7);
    }
  });

  it('the short polynomial of the logarithm errs by less than 1.4e-10', () => {
    const coefficients = numbers('log1p_f64');
    expect(coefficients).toHaveLength(10);
    const [from, to] = [new Exact(0.5).sqrt().minus(1), new Exact(2).sqrt().minus(1)];
    for (let i = 0; i <= 1000; i++) {
      const f = from.plus(to.minus(from).mul(i).div(1000));
      const series = coefficients.reduceRight((sum, c) => sum.mul(f).plus(c), new Exact(0));
      const short = f.minus(f.mul(f).div(2)).plus(f.mul(f).mul(f).mul(series));
      expect(short.div(f.plus(1).ln()).minus(1).abs().toNumber()).toBeLessThan(1.4e-10);
    }
  });

  it('ln 2 in two parts is right to 2^-85, and k times the first part is exact', () => {
    const [hi] = numbers('ln2_hi');
    const lo = exactly(Number(/ln2_lo = ([\d.e+-]+)/.exec(source)?.[1]));
    expect(hi.plus(lo).minus(ln2).abs().toNumber()).toBeLessThan(2 ** -85);
    expect(new Float64Array([hi.toNumber() * 2 ** 33])[0] % 1).toBe(0);
  });
});

describe('The bound of docs/algorithm.md for float32', () => {
  const u = 2 ** -24;
  const page = readFileSync(new URL('../docs/algorithm.md', import.meta.url), 'utf8');
  const [stated, promised, measured] = /^\| float32 \|.*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/m
    .exec(page)!
    .slice(1)
    .map(Number);

  it('is the sum of its parts', () => {
    const [p0, p1, p2] = numbers('exp_f32').map((c) => c.toNumber());
    const bound = 0.504; // of |r|
    const p = Math.expm1((bound / 8) * Math.LN2);
    const reduction = (2 * 2 ** -26 * Math.LN2) / 8;
    const second = (2 ** 17 * 8 * 2 ** -48 * Math.LN2) / 8;
    const approximation = polynomialError(numbers('exp_f32'), 8, bound);
    const rounding = bound * (halfUlp(p0) + bound * (halfUlp(p1) + bound * halfUlp(p2))) + p * u;
    const term = 0.0463 * u + reduction + second + approximation + rounding / (1 - p);
    const [bias, segment, lanes] = [2 ** Number(/bias = 0x1p(\d+), short/.exec(exponential)?.[1]), 4096, 16];
    const blocks = segment / lanes;
    const largest = 0.99 * 2 ** 76;
    expect(measure).toContain('segment_length = 4096;');
    const rests = (u * (u * bias) * blocks ** 2 * lanes) / 2 / largest;
    const tree = (4 * u * (u * bias) * segment) / largest;
    expect(rests + tree).toBeLessThan(0.07 * u);
    expect((2 * term + u + rests + tree) / u + 0.5).toBeLessThan(stated + 0.01);
    expect((2 * term + u + rests + tree) / u + 0.5).toBeGreaterThan(stated - 0.01);
  });

  it('is below what is promised, and above what was measured', () => {
    expect(measured).toBeLessThan(stated);
    expect(stated).toBeLessThan(promised);
  });
});

/** Of a float: the most that rounding to it can cost. */
function halfUlp(value: number): number {
  return 2 ** (Math.floor(Math.log2(value)) - 24);
}

function lowPart(): Decimal {
  const [, text = ''] = /log2e_lo = 0x1\.([\da-f]+)p-56/.exec(source) ?? [];
  return new Exact(`0x1${text}`).div(new Exact(16).pow(text.length)).mul(new Exact(2).pow(-56));
}
