/**
 * Small files that are one job together: to hand over a job takes longer than to score one of them. What does not come out
 * plainly, a damaged file for example, becomes a job of its own, with its own tries and its own reason.
 */
import { createHash } from 'node:crypto';
import { expected, Failure } from '../failure.js';
import { parseRecord } from '../job.js';
import { type FileJob, isSame, type JobData, parseJobData, stampOf } from './jobs.js';
import { parseResult } from './results.js';

export interface Group {
  readonly id: string;
  readonly files: readonly FileJob[];
}

/** What one job is about. */
export type Unit = FileJob | Group;

/** The name of its job. */
export const GROUP = 'group';

/** Bytes of a file that still is small. */
const SMALL = 1 << 22;
/** Of a group: what takes about as long as to hand it over ten times. */
const MOST_BYTES = 1 << 24;
const MOST_FILES = 16;
/** So many groups at least, for all workers to have some. */
const FEWEST_GROUPS = 32;

export function isGroup(unit: Unit): unit is Group {
  return 'files' in unit;
}

/** Groups of neighbours, and files that are not small, in the order of the files. */
export function unitsOf(files: readonly FileJob[]): Unit[] {
  const isSmall = ({ stamp, parts }: FileJob) => stamp.size <= SMALL && parts.length === 0;
  const most = Math.min(MOST_FILES, Math.floor(files.filter(isSmall).length / FEWEST_GROUPS));
  const units: Unit[] = [];
  let members: FileJob[] = [];
  let bytes = 0;
  function endGroup(): void {
    if (members.length === 1) units.push(members[0]);
    else if (members.length > 1) units.push({ id: groupId(members), files: members });
    members = [];
    bytes = 0;
  }
  for (const file of files) {
    if (most <= 1 || !isSmall(file)) {
      endGroup();
      units.push(file);
      continue;
    }
    if (members.length === most || bytes + file.stamp.size > MOST_BYTES) endGroup();
    members.push(file);
    bytes += file.stamp.size;
  }
  endGroup();
  return units;
}

/** The same for the same files, options and all. */
function groupId(files: readonly FileJob[]): string {
  const hash = createHash('sha256').update(files.map(({ id }) => id).join());
  return `group-${hash.digest('hex').slice(0, 32)}`;
}

/**
 * The files of a group that anybody may have written.
 * @throws Failure that names what is wrong.
 */
export function parseGroup(value: unknown): JobData[] {
  const { files, ...others } = parseRecord(value, 'the data of a group');
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw expected('files', 'the data of a group', `'${unknown}'`);
  if (!Array.isArray(files) || files.length === 0 || files.length > MOST_FILES) {
    throw expected(`1 to ${MOST_FILES} files`, 'the data of a group', 'something else');
  }
  return files.map((file) => parseJobData('score', file));
}

/** What the files of a group answered, by their ids: those that are not there have a job of their own. */
export function resultsOfGroup(value: unknown): Map<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}

/** Whether all that a job answered of its files is still so. */
export function isIntact(unit: Unit, result: unknown): boolean {
  try {
    if (!isGroup(unit)) return isSame(stampOf(unit.job.output), parseResult(result).stamp);
    const results = resultsOfGroup(result);
    return unit.files.every((file) => isIntact(file, results.get(file.id)));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
}
