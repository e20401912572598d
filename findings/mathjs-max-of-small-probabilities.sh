#!/usr/bin/env bash
# mathjs 15.2.0: max of [1e-20, 1e-16] is 1e-20, and sort leaves such numbers in any order.
#
# Guess before the run: the largest number. The documented tolerance of relational functions would not reach max, min and sort.
# Seen on 2026-11-29 (Node 20.20): numbers that differ by less than 1e-15, or by less than 1e-12 of their size, are equal for max, min
# and sort, and the first one is kept: max([1e-20, 1e-16]) is 1e-20, ten thousand times too small; min([1e-16, 1e-20]) is 1e-16;
# sort([3e-16, 1e-16, 2e-16]) changes nothing. Math.max and Array.prototype.sort are right.
# So the best of the unlikely classes of a softmax, or the smallest p-value, is another one.
# math.create(all, { relTol: 1e-300, absTol: 0 }) makes them exact.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' > package.json
npm install --ignore-scripts --no-audit --no-fund mathjs@15.2.0 >/dev/null
cat > run.mjs <<'JS'
import { all, create } from 'mathjs';

const answers = ({ max, min, sort }) => [max([1e-20, 1e-16]), min([1e-16, 1e-20]), ...sort([3e-16, 1e-16, 2e-16])].join(' ');
const usual = answers(create(all));
const exact = answers(create(all, { relTol: 1e-300, absTol: 0 }));
console.log('max, min, sort as they are:', usual, '| without tolerance:', exact);
if (usual !== '1e-20 1e-16 3e-16 1e-16 2e-16' || exact !== '1e-16 1e-20 1e-16 2e-16 3e-16') throw new Error('this has changed');
JS
node run.mjs
