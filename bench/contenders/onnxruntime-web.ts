import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm';
import type { Contender } from './contender.js';
import { onnxruntime } from './onnxruntime.js';
import { versionOf } from './version.js';

export async function open(): Promise<Contender> {
  env.wasm.numThreads = 1;
  const version = versionOf('onnxruntime-web');
  return onnxruntime({ version, InferenceSession, Tensor, writesInPlace: false, isThreaded: false });
}
