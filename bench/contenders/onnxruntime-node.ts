import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Contender } from './contender.js';
import { onnxruntime } from './onnxruntime.js';
import { versionOf } from './version.js';

export async function open({ thenLoops = false }): Promise<Contender> {
  const version = versionOf('onnxruntime-node');
  return onnxruntime({ version, InferenceSession, Tensor, writesInPlace: true, isThreaded: true }, thenLoops);
}
